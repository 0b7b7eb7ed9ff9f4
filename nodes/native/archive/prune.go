package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Entry is a tree of the list.
type Entry struct {
	Key, URL, SHA256, Format string
	Bytes                    int64
	// Used is when it was last fetched or looked up.
	Used  time.Time
	InUse bool
}

// List is every tree, the one used last first.
func (s *Store) List(ctx context.Context) ([]Entry, error) {
	inUse, err := s.inUse(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.entries()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range all {
		all[i].InUse = slices.Contains(inUse, all[i].Key) || s.held[all[i].Key] > 0
	}
	slices.Reverse(all)
	return all, err
}

// entries are in the order of their last use, the oldest first.
func (s *Store) entries() ([]Entry, error) {
	found, err := os.ReadDir(s.path("trees"))
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, d := range found {
		stat, err := os.Stat(s.about(d.Name()))
		if err != nil {
			continue // another clearing took it
		}
		e := Entry{Key: d.Name(), Used: stat.ModTime()}
		var about info
		if b, err := os.ReadFile(s.about(d.Name())); err == nil && json.Unmarshal(b, &about) == nil {
			e.URL, e.SHA256, e.Format, e.Bytes = about.URL, about.SHA256, about.Format, about.Bytes
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Or(a.Used.Compare(b.Used), cmp.Compare(a.Key, b.Key)) })
	return all, nil
}

// freshFor spares what was just fetched: its container is about to start.
const freshFor = 2 * time.Minute

// Prune removes the trees that nobody uses and that nobody asked for within
// unusedFor (0 is every one), and interrupted downloads that are older. It
// returns those that it removed.
func (s *Store) Prune(ctx context.Context, unusedFor time.Duration) ([]Entry, error) {
	gone, err := s.clear(ctx, unusedFor, func() (bool, error) { return true, nil })
	return gone, errors.Join(err, s.clearPartials(partialAge))
}

// Collect is Prune by need: where the disk is fuller than [Config.High], trees go,
// the least recently used first, until it is down to [Config.Low].
func (s *Store) Collect(ctx context.Context) ([]Entry, error) {
	d, err := s.disk()
	if err != nil || d.Used <= s.cfg.High {
		return nil, err
	}
	return s.clear(ctx, freshFor, func() (bool, error) {
		d, err := s.disk()
		return d.Used > s.cfg.Low, err
	})
}

// Tend collects every so often, until ctx ends.
func (s *Store) Tend(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		gone, err := s.Collect(ctx)
		if len(gone) > 0 {
			s.cfg.Log.Info("archives cleared for the disk", "archives", len(gone))
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("clearing archives for the disk", "err", err)
		}
	}
}

// clear removes while more says so. The order makes it safe: from the moment that
// touched is emptied, whoever uses a tree marks it; only then those in use are
// asked for; and each is looked at once more, under the lock, as it goes.
func (s *Store) clear(ctx context.Context, unusedFor time.Duration, more func() (bool, error)) (gone []Entry, err error) {
	s.clearing.Lock()
	defer s.clearing.Unlock()
	s.mu.Lock()
	s.touched = map[string]bool{}
	s.mu.Unlock()
	if s.cfg.InUse == nil {
		return nil, errors.New("nobody says which archives are in use")
	}
	inUse, err := s.inUse(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.entries()
	before := time.Now().Add(-unusedFor)
	for _, e := range all {
		if wanted, err := more(); err != nil || !wanted || ctx.Err() != nil {
			return gone, cmp.Or(err, ctx.Err())
		}
		if slices.Contains(inUse, e.Key) || e.Used.After(before) {
			continue
		}
		removed, err := s.forget(e.Key)
		if err != nil {
			return gone, err
		}
		if removed {
			gone = append(gone, e)
		}
	}
	return gone, err
}

// inUse fails where it cannot be known.
func (s *Store) inUse(ctx context.Context) ([]string, error) {
	if s.cfg.InUse == nil {
		return nil, nil
	}
	keys, err := s.cfg.InUse(ctx)
	if err != nil {
		return nil, fmt.Errorf("archives in use: %w", err)
	}
	return keys, nil
}

// forget takes a tree away unless somebody used it meanwhile.
func (s *Store) forget(key string) (bool, error) {
	gone := s.path("tmp", "gone-"+key)
	s.mu.Lock()
	if s.held[key] > 0 || s.touched[key] {
		s.mu.Unlock()
		return false, nil
	}
	err := os.Rename(s.path("trees", key), gone)
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	return true, os.RemoveAll(gone)
}

// clearTmp is for nobody else being there: the lock is held.
func (s *Store) clearTmp() error {
	left, err := os.ReadDir(s.path("tmp"))
	for _, e := range left {
		err = errors.Join(err, os.RemoveAll(s.path("tmp", e.Name())))
	}
	return err
}

// clearPartials removes downloads that nobody went on with for so long, which is
// longer than any goes on.
func (s *Store) clearPartials(age time.Duration) error {
	left, err := os.ReadDir(s.path("partial"))
	for _, e := range left {
		if stat, statErr := e.Info(); statErr == nil && time.Since(stat.ModTime()) > age {
			err = errors.Join(err, os.Remove(filepath.Join(s.path("partial"), e.Name())))
		}
	}
	return err
}

// checkRoom is whether the disk takes that many bytes and keeps its reserve.
func (s *Store) checkRoom(bytes int64) error {
	d, err := s.disk()
	if err != nil {
		return local(err)
	}
	if err := d.Room(bytes, s.cfg.Limits.Reserve); err != nil {
		return local(err)
	}
	return nil
}
