package source

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// knownHosts is the list of hosts that are trusted, read again for each
// connection. A file that is not there lists none.
type knownHosts struct {
	file string
	db   *knownhosts.HostKeyDB
}

func openKnownHosts(file string) (*knownHosts, error) {
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, &fault{CodeCredentials, "no known_hosts file is configured", "name a known_hosts file in the server's configuration", err}
		}
		file = filepath.Join(home, ".ssh", "known_hosts")
	}
	db, err := knownhosts.NewDB(file)
	if errors.Is(err, os.ErrNotExist) {
		db, err = knownhosts.NewDB()
	}
	if err != nil {
		return nil, &fault{CodeCredentials, "the list of known ssh hosts cannot be read", "ssh-keygen -l -f " + file, err}
	}
	return &knownHosts{file, db}, nil
}

// algorithms are those of the keys we know of the host, so that it shows one of
// these; nil, which means any, for an unknown host.
func (k *knownHosts) algorithms(addr string) []string { return k.db.HostKeyAlgorithms(addr) }

// check is the callback of the handshake.
func (k *knownHosts) check(addr string, remote net.Addr, key ssh.PublicKey) error {
	err := k.db.HostKeyCallback()(addr, remote, key)
	revoked, isRevoked := errors.AsType[*xknownhosts.RevokedError](err)
	switch {
	case err == nil:
		return nil
	case isRevoked:
		return &fault{CodeHostKeyChanged, fmt.Sprintf("the host %s shows a key that %s marks as revoked: %s", addr, k.file, ssh.FingerprintSHA256(revoked.Revoked.Key)),
			"ask who runs the host for its present key", nil}
	case knownhosts.IsHostUnknown(err):
		return k.unknown(addr, key)
	}
	return k.changed(addr, key)
}

// unknown prints what a person needs to compare and to add.
func (k *knownHosts) unknown(addr string, key ssh.PublicKey) error {
	line := xknownhosts.Line([]string{addr}, key)
	return &fault{CodeHostKeyUnknown,
		fmt.Sprintf("the host %s is not in %s; its %s key has the fingerprint %s", addr, k.file, key.Type(), ssh.FingerprintSHA256(key)),
		fmt.Sprintf("if that is the host's fingerprint: echo '%s' >> %s", line, k.file), nil}
}

func (k *knownHosts) changed(addr string, key ssh.PublicKey) error {
	known := "another key"
	if keys := k.db.HostKeys(addr); len(keys) > 0 {
		known = keys[0].Type() + " " + ssh.FingerprintSHA256(keys[0].PublicKey)
	}
	return &fault{CodeHostKeyChanged,
		fmt.Sprintf("the host %s shows the %s key %s, but %s has %s: someone may be in between", addr, key.Type(), ssh.FingerprintSHA256(key), k.file, known),
		fmt.Sprintf("if the host's key was changed on purpose: ssh-keygen -R '%s' -f %s", xknownhosts.Normalize(addr), k.file), nil}
}
