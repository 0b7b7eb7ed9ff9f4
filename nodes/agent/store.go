package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/bayplan/bayplan/nodes"
)

// state is the content of state.json.
type state struct {
	// Format is raised when an older agent could not read the file.
	Format     int              `json:"format"`
	Assignment nodes.Assignment `json:"assignment"`
	// Settings are the cluster's.
	Settings nodes.Settings `json:"settings,omitzero"`
	Memory   []Memory       `json:"memory"`
	// Info is the engine's last word on itself, so that a node whose engine is
	// down at the agent's start keeps its size.
	Info Info `json:"info"`
}

const stateFormat = 1

// store is the agent's folder.
type store struct {
	dir  string
	lock *os.File
}

// openStore takes the folder for this process and reads it.
func openStore(dir string) (*store, state, error) {
	dir, err := filepath.Abs(dir) // others are told where the lease is
	if err != nil {
		return nil, state{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, state{}, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, state{}, err
	}
	s := &store{dir: dir, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		s.close()
		return nil, state{}, fmt.Errorf("%s is in use by another agent: stop it, or choose another folder", dir)
	}
	kept, err := s.read()
	if err != nil {
		s.close()
		return nil, state{}, err
	}
	return s, kept, nil
}

func (s *store) close() { s.lock.Close() }

func (s *store) path() string { return filepath.Join(s.dir, "state.json") }

func (s *store) read() (kept state, err error) {
	b, err := os.ReadFile(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	if err := json.Unmarshal(b, &kept); err != nil {
		return state{}, fmt.Errorf("%s: %w: move the file away and start again; containers keep running meanwhile", s.path(), err)
	}
	if kept.Format != stateFormat {
		return state{}, fmt.Errorf("%s has format %d, this agent knows %d: start the newer agent again", s.path(), kept.Format, stateFormat)
	}
	return kept, nil
}

// write replaces state.json whole: a crash leaves the old or the new one.
func (s *store) write(kept state) error {
	kept.Format = stateFormat
	b, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encoding state.json: %w", err)
	}
	tmp := s.path() + ".tmp"
	if err := writeSynced(tmp, b); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(tmp)))
	}
	if err := os.Rename(tmp, s.path()); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
