// Package signed says who vouches for a commit: whose signature it carries, and
// whether that is good by the keys that the server's operator named. It looks at
// nothing that stands in a repository but the commit itself.
//
// A key counts at two times: when the commit says that it was made, and now. A
// key that has expired signs nothing any more, whatever date a commit claims; a
// key that was revoked never did.
package signed

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The reasons why a commit's signature does not count.
const (
	// Unsigned has no signature.
	Unsigned = "unsigned"
	// Bad is a signature that does not fit the commit, or that cannot be read.
	Bad = "bad"
	// Unknown is by a key that nobody named.
	Unknown = "unknown"
	// Expired is by a key that was not, or is no longer, valid.
	Expired = "expired"
	// Revoked is by a key that was taken back.
	Revoked = "revoked"
)

// Refusal is why nobody vouches for a commit.
type Refusal struct {
	// Kind is one of the constants above.
	Kind string
	// Text follows "the commit ": "is not signed".
	Text string
}

func (r *Refusal) Error() string { return r.Text }

func refuse(kind, format string, args ...any) *Refusal {
	return &Refusal{kind, fmt.Sprintf(format, args...)}
}

// Keys are those who may sign. The zero value knows nobody.
type Keys struct {
	ssh     sshKeys
	openpgp openpgpKeys
}

// Check is who signed a commit, for people, or a *Refusal. raw is the commit as
// git stores it, made the time that it carries.
func (k *Keys) Check(raw []byte, made, now time.Time) (signer string, err error) {
	payload, signature, err := split(raw)
	if err != nil {
		return "", err
	}
	head, _, _ := strings.Cut(signature, "\n")
	switch head {
	case "-----BEGIN SSH SIGNATURE-----":
		return k.ssh.check(payload, signature, made, now)
	case "-----BEGIN PGP SIGNATURE-----":
		return k.openpgp.check(payload, signature, now)
	}
	return "", refuse(Bad, "carries a signature that is neither ssh's nor OpenPGP's")
}

var errTwice = refuse(Bad, "carries more than one signature")

// split takes a commit apart into what was signed and the signature: a header of
// its own, continued on lines that begin with a space.
func split(raw []byte) (payload []byte, signature string, err error) {
	head, message, found := bytes.Cut(raw, []byte("\n\n"))
	if !found {
		head = bytes.TrimSuffix(raw, []byte("\n"))
	}
	var kept, taken []string
	inside := false
	for line := range strings.SplitSeq(string(head), "\n") {
		first, starts := strings.CutPrefix(line, "gpgsig ")
		rest, goesOn := strings.CutPrefix(line, " ")
		switch {
		case starts && len(taken) > 0:
			return nil, "", errTwice
		case starts:
			taken, inside = []string{first}, true
		case inside && goesOn:
			taken = append(taken, rest)
		default:
			kept, inside = append(kept, line), false
		}
	}
	if len(taken) == 0 {
		return nil, "", refuse(Unsigned, "is not signed")
	}
	text := strings.Join(kept, "\n") + "\n"
	if found {
		text += "\n" + string(message)
	}
	return []byte(text), strings.TrimRight(strings.Join(taken, "\n"), "\n") + "\n", nil
}

// IsRefusal is err as a Refusal, if it is one.
func IsRefusal(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }
