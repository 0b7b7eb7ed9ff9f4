package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

// Entry is an image of the list.
type Entry struct {
	Digest string
	// Names are its references, by tag and by digest, sorted; empty where others
	// took them.
	Names []string
	// Size is what its layers hold in bytes, those too that it shares.
	Size int64
	// Created is when it was built, as it says; Used is when it was last pulled
	// or looked up.
	Created, Used time.Time
	InUse         bool
}

// List is every image, the one used last first.
func (s *Store) List(ctx context.Context) ([]Entry, error) {
	inUse, err := s.inUse(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Entry
	for _, rec := range s.images {
		e := Entry{Digest: rec.Digest, Created: rec.Created, Used: rec.used, InUse: inUse[rec.Digest] || s.held[rec.Digest] > 0}
		for _, l := range slices.Compact(slices.Sorted(slices.Values(rec.Layers))) {
			e.Size += s.layers[l].Size
		}
		for name, digest := range s.names {
			if digest == rec.Digest && !isDigest(name) {
				e.Names = append(e.Names, name)
			}
		}
		slices.Sort(e.Names)
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(b.Used.Compare(a.Used), cmp.Compare(a.Digest, b.Digest))
	})
	return list, nil
}

// Pruned is what a clearing removed.
type Pruned struct {
	// Images are digests, in the order of removal; Layers is a number.
	Images []string
	Layers int
	// Bytes that the layers held.
	Bytes int64
}

// freshFor spares what was just pulled: its container is about to start.
const freshFor = 2 * time.Minute

// Prune removes the images that nobody uses and that nobody asked for within
// unusedFor (0 is every one), the layers that no image needs, and interrupted
// downloads.
func (s *Store) Prune(ctx context.Context, unusedFor time.Duration) (Pruned, error) {
	return s.clear(ctx, unusedFor, func() (bool, error) { return true, nil })
}

// Collect is Prune by need: where the disk is fuller than [Config.High], images
// go, the least recently used first, until it is down to [Config.Low]. It is
// cheap where nothing is to be done.
func (s *Store) Collect(ctx context.Context) (Pruned, error) {
	d, err := s.disk()
	if err != nil || d.Used <= s.cfg.High {
		return Pruned{}, err
	}
	pruned, err := s.clear(ctx, freshFor, func() (bool, error) {
		d, err := s.disk()
		return d.Used > s.cfg.Low, err
	})
	s.cfg.Log.Info("images cleared for the disk", "used", d.Used, "images", len(pruned.Images), "layers", pruned.Layers, "bytes", pruned.Bytes)
	return pruned, err
}

// Tend collects every so often and whenever soon yields, until ctx ends; told, if
// set, hears what went.
func (s *Store) Tend(ctx context.Context, every time.Duration, soon <-chan struct{}, told func(Pruned)) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-soon:
		}
		p, err := s.Collect(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("clearing images for the disk", "err", err)
		}
		if told != nil {
			told(p)
		}
	}
}

// clear removes while more says so. The order makes it safe: from the moment
// that touched is emptied, whoever uses an image marks it; only then the images
// in use are asked for; and each image is looked at once more, under the lock,
// as it goes.
func (s *Store) clear(ctx context.Context, unusedFor time.Duration, more func() (bool, error)) (Pruned, error) {
	s.clearing.Lock()
	defer s.clearing.Unlock()
	s.mu.Lock()
	s.touched = map[string]bool{}
	s.mu.Unlock()
	if s.cfg.InUse == nil {
		return Pruned{}, errors.New("nobody says which images are in use")
	}
	inUse, err := s.inUse(ctx)
	if err != nil {
		return Pruned{}, err
	}
	var p Pruned
	blind := s.unknown(inUse)
	before := time.Now().Add(-unusedFor)
	for _, rec := range s.oldestFirst() {
		if err := s.sweep(&p, blind); err != nil {
			return p, err
		}
		if wanted, err := more(); err != nil || !wanted || ctx.Err() != nil {
			return p, cmp.Or(err, ctx.Err())
		}
		if inUse[rec.Digest] || rec.used.After(before) {
			continue
		}
		if gone, err := s.forget(rec); err != nil {
			return p, err
		} else if gone {
			p.Images = append(p.Images, rec.Digest)
		}
	}
	return p, s.sweep(&p, blind)
}

// inUse fails where it cannot be known.
func (s *Store) inUse(ctx context.Context) (map[string]bool, error) {
	if s.cfg.InUse == nil {
		return nil, nil
	}
	digests, err := s.cfg.InUse(ctx)
	if err != nil {
		return nil, fmt.Errorf("images in use: %w", err)
	}
	set := map[string]bool{}
	for _, d := range digests {
		set[d] = true
	}
	return set, nil
}

// oldestFirst are copies: their use is as of now.
func (s *Store) oldestFirst() []record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []record
	for _, rec := range s.images {
		all = append(all, *rec)
	}
	slices.SortFunc(all, func(a, b record) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.Digest, b.Digest))
	})
	return all
}

// forget takes an image away unless somebody used it meanwhile.
func (s *Store) forget(rec record) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[rec.Digest] > 0 || s.touched[rec.Digest] || s.images[rec.Digest] == nil {
		return false, nil
	}
	if err := os.Remove(s.imageFile(rec.Digest)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	delete(s.images, rec.Digest)
	maps.DeleteFunc(s.names, func(_, digest string) bool { return digest == rec.Digest })
	return true, s.writeNames()
}
