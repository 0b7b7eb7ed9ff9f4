package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// record is what is kept of an attachment: enough to take it away.
type record struct {
	ID      string     `json:"id"`
	Address netip.Addr `json:"address"`
	Ports   []Port     `json:"ports"`
	// Link is the host's end of the veth pair, Inode the namespace's.
	Link  string `json:"link"`
	Inode uint64 `json:"inode"`
	// Order counts the attachments, so that the last address used is known.
	Order uint64 `json:"order"`

	// published: its ports are, or should be, among the rules.
	published bool
}

// store is the state directory: "range" is the range in use, "attached" has a
// record per attachment, and "lock" belongs to the one process that uses them.
type store struct {
	dir  string
	lock *os.File
}

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(filepath.Join(dir, "attached"), 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is used by another process: %w", dir, err), lock.Close())
	}
	return &store{dir: dir, lock: lock}, nil
}

func (s *store) close() error { return s.lock.Close() }

// file is a record's: an id may hold any character, and be of any length.
func (s *store) file(id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(s.dir, "attached", hex.EncodeToString(sum[:12])+".json")
}

func (s *store) save(r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return replace(s.file(r.ID), b)
}

func (s *store) forget(id string) error { return gone(os.Remove(s.file(id))) }

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// load reads every record. A file that is none was cut short by a power cut,
// and what it spoke of went with it: it is removed.
func (s *store) load() (map[string]record, error) {
	all := map[string]record{}
	dir := filepath.Join(s.dir, "attached")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var r record
		if json.Unmarshal(b, &r) != nil || s.file(r.ID) != path {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		r.published = true
		all[r.ID] = r
	}
	return all, nil
}

// savedRange is the range that was chosen before; the zero Prefix is none.
func (s *store) savedRange() netip.Prefix {
	b, err := os.ReadFile(filepath.Join(s.dir, "range"))
	if err != nil {
		return netip.Prefix{}
	}
	p, _ := netip.ParsePrefix(strings.TrimSpace(string(b)))
	return p
}

func (s *store) saveRange(p netip.Prefix) error {
	return replace(filepath.Join(s.dir, "range"), []byte(p.String()+"\n"))
}

// clear removes all that the store holds but the lock.
func (s *store) clear() error {
	return errors.Join(gone(os.Remove(filepath.Join(s.dir, "range"))), gone(os.RemoveAll(filepath.Join(s.dir, "attached"))))
}

// replace writes a file whole or not at all, as far as a crash of this process goes.
func replace(path string, b []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
