package forge

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Event is what a webhook says that it is about. Nothing is decided on it but
// whether to look.
type Event struct {
	// Kind is Push, Pull, Ping or Other.
	Kind Kind
	// Ref is what a push was to, such as "refs/heads/main"; empty where it is not
	// known.
	Ref string
}

// Kind is what a webhook is about.
type Kind string

// The kinds of events.
const (
	Push  Kind = "push"
	Pull  Kind = "pull request"
	Ping  Kind = "ping"
	Other Kind = "other"
)

// kinds are the names that forges have for events; those of reviews are
// GitHub's, then Gitea's.
var kinds = map[string]Kind{
	"push": Push, "create": Push, "delete": Push,
	"pull_request": Pull, "pull_request_sync": Pull, "pull_request_review": Pull,
	"pull_request_approved": Pull, "pull_request_rejected": Pull,
	"Push Hook": Push, "Tag Push Hook": Push, "System Hook": Push,
	"Merge Request Hook": Pull,
	"ping":               Ping,
}

// maxRef is longer than any ref that a forge takes.
const maxRef = 255

// ParseEvent reads an event by its header and its body, which is JSON or a form
// with a field payload. Whatever else it is, it is a push to an unknown ref: which
// costs a look.
func ParseEvent(name, contentType string, body []byte) Event {
	kind, known := kinds[name]
	if !known {
		kind = Other
	}
	e := Event{Kind: kind}
	if kind != Push {
		return e
	}
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return e
		}
		body = []byte(form.Get("payload"))
	}
	e.Ref = refOf(body)
	return e
}

// refOf is the field ref of a JSON object, if it is one that can be told.
func refOf(body []byte) string {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return ""
		}
		if key != "ref" {
			if skip(d) != nil {
				return ""
			}
			continue
		}
		ref, _ := d.Token()
		if s, ok := ref.(string); ok && plainRef(s) {
			return s
		}
		return ""
	}
	return ""
}

// skip passes over one value, however deep, without keeping it.
func skip(d *json.Decoder) error {
	for depth := 0; ; {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// plainRef keeps out of answers and logs what is no ref.
func plainRef(s string) bool {
	return len(s) <= maxRef && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}
