package status

import (
	"regexp"
	"strings"
)

// A plan is read where a repository may not be: in a pull request's comments, in
// a build's log. What looks like a secret is never told, only that it differs.

// Hidden stands in the place of what looks like a secret.
const Hidden = "(hidden)"

var (
	// secretName fits names of variables and labels that hold secrets by custom.
	secretName = regexp.MustCompile(`(?i)(passw|passphrase|secret|token|credential|(^|[_-])(key|auth|dsn|pwd|pat)([_-]|$)|apikey|privatekey|accesskey)`)
	// userInfo fits a password inside a URL, and bearer a token behind its word.
	userInfo = regexp.MustCompile(`([a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@`)
	bearer   = regexp.MustCompile(`(?i)\b(bearer|basic|token)\s+[a-z0-9+/_=.-]{8,}`)
	// secretArg fits an argument that carries a secret behind its name.
	secretArg = regexp.MustCompile(`(?i)(--?[a-z0-9-]*(?:passw|secret|token|credential|api-?key)[a-z0-9-]*=)\S+`)
)

// hide is the value as it may be told.
func hide(path, value string) string {
	if value == "" {
		return ""
	}
	if name, ok := variable(path); ok && secretName.MatchString(name) {
		return Hidden
	}
	value = userInfo.ReplaceAllString(value, "$1:"+Hidden+"@")
	value = bearer.ReplaceAllString(value, "$1 "+Hidden)
	return secretArg.ReplaceAllString(value, "$1"+Hidden)
}

// variable is the name of an environment variable or label that a path leads to.
func variable(path string) (string, bool) {
	for _, part := range []string{"env.", "labels."} {
		if name, ok := strings.CutPrefix(path, part); ok {
			return name, true
		}
		if _, name, ok := strings.Cut(path, "."+part); ok {
			return name, true
		}
	}
	return "", false
}

// hidden is the change with what looks like a secret hidden, and still a change.
func hidden(c FieldChange) FieldChange {
	c.From, c.To = hide(c.Path, c.From), hide(c.Path, c.To)
	if c.From == c.To {
		c.To += ", changed"
	}
	return c
}
