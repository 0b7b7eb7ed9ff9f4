package signed

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// Files are where the keys stand. One that is empty names nobody.
type Files struct {
	// AllowedSigners lists ssh keys, in the form of ssh-keygen(1).
	AllowedSigners string
	// Revoked lists ssh keys, one a line, that count no more.
	Revoked string
	// OpenPGP has armoured public keys, one block after the other.
	OpenPGP string
}

// Read reads all of them; one that cannot be read or understood is an error, so
// that nothing is let through by half a list.
func (f Files) Read() (*Keys, error) {
	k := &Keys{}
	return k, errors.Join(
		from(f.AllowedSigners, func(text string) (err error) { k.ssh.allowed, err = readAllowed(text); return }),
		from(f.Revoked, func(text string) (err error) { k.ssh.revoked, err = readRevoked(text); return }),
		from(f.OpenPGP, func(text string) (err error) { k.openpgp, err = readOpenPGP(text); return }),
	)
}

// Stamp changes when one of the files does.
func (f Files) Stamp() string {
	var text strings.Builder
	for _, name := range []string{f.AllowedSigners, f.Revoked, f.OpenPGP} {
		if st, err := os.Stat(name); err == nil {
			fmt.Fprintf(&text, "%d %d;", st.ModTime().UnixNano(), st.Size())
		} else {
			text.WriteString("-;")
		}
	}
	return text.String()
}

func from(file string, read func(string) error) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = read(string(text))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return err
}

const endOfKey = "-----END PGP PUBLIC KEY BLOCK-----"

// readOpenPGP reads blocks of public keys.
func readOpenPGP(text string) (all openpgpKeys, err error) {
	for block := range strings.SplitSeq(text, endOfKey) {
		if !strings.Contains(block, "-----BEGIN PGP") {
			continue
		}
		keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(block + endOfKey + "\n"))
		if err != nil {
			return nil, fmt.Errorf("no armoured public key (gpg --export --armor): %s", openpgpText(err))
		}
		all = append(all, keys...)
	}
	if len(all) == 0 {
		return nil, errors.New("no armoured public key (gpg --export --armor)")
	}
	return all, nil
}
