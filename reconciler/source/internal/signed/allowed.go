package signed

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// allowed is one line of an allowed_signers file, as ssh-keygen(1) describes it.
type allowed struct {
	// principals are the patterns of the line, for people the signer's name.
	principals string
	key        ssh.PublicKey
	// authority says that the key signs certificates, and nothing else.
	authority     bool
	after, before time.Time // zero is no bound
}

// names is whether one of the line's patterns is name's, and none that is
// negated.
func (a *allowed) names(name string) bool {
	found := false
	for pattern := range strings.SplitSeq(a.principals, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if !matches(pattern, name) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// matches knows ssh's patterns: * is any number of characters, ? is one. It goes
// back to the last star only, so that no pattern takes long.
func matches(pattern, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// readAllowed reads an allowed_signers file. A line that is not understood is an
// error: it may be one that was meant to forbid.
func readAllowed(text string) (all []allowed, err error) {
	for n, line := range lines(text) {
		a, ours, err := readSigner(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if ours {
			all = append(all, a)
		}
	}
	return all, nil
}

// readSigner reads one line; ours is whether it is about git.
func readSigner(line string) (a allowed, ours bool, err error) {
	rest := ""
	if a.principals, rest, err = firstWord(line); err != nil {
		return a, false, err
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return a, false, fmt.Errorf("no public key: want PRINCIPALS [OPTIONS] KEYTYPE KEY: %w", err)
	}
	if _, cert := key.(*ssh.Certificate); cert {
		return a, false, fmt.Errorf("a certificate: name its authority's key, with the option cert-authority")
	}
	a.key, ours = key, true
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "cert-authority":
			a.authority = true
		case "namespaces":
			ours = (&allowed{principals: value}).names(namespace)
		case "valid-after":
			a.after, err = readTime(value)
		case "valid-before":
			a.before, err = readTime(value)
		default:
			err = fmt.Errorf("the option %s is not known", name)
		}
		if err != nil {
			return a, false, err
		}
	}
	return a, ours, nil
}

// firstWord is the line's first word, which may stand in quotes, and what follows.
func firstWord(line string) (word, rest string, err error) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		if word, rest, ok = strings.Cut(quoted, `"`); !ok {
			return "", "", fmt.Errorf("a quote is not closed")
		}
		return word, strings.TrimSpace(rest), nil
	}
	word, rest, _ = strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	return word, strings.TrimSpace(rest), nil
}

// readTime reads YYYYMMDD[HHMM[SS]], with a Z in UTC and else in the server's own
// time zone.
func readTime(text string) (time.Time, error) {
	zone := time.Local
	digits, utc := strings.CutSuffix(text, "Z")
	if utc {
		zone = time.UTC
	}
	for _, form := range []string{"20060102", "200601021504", "20060102150405"} {
		if t, err := time.ParseInLocation(form, digits, zone); err == nil && len(digits) == len(form) {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: want YYYYMMDD or YYYYMMDDHHMM[SS], and a Z for UTC", text)
}

// readRevoked reads public keys, one a line.
func readRevoked(text string) (all []ssh.PublicKey, err error) {
	if strings.HasPrefix(text, "SSHKRL\n") {
		return nil, fmt.Errorf("a binary revocation list: put the revoked public keys there instead, one a line")
	}
	for n, line := range lines(text) {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: no public key: %w", n, err)
		}
		all = append(all, key)
	}
	return all, nil
}

// lines are those with something on them, by number; # begins a comment.
func lines(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.SplitSeq(text, "\n") {
			n++
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if !yield(n, line) {
				return
			}
		}
	}
}
