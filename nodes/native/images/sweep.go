package images

import (
	"os"
	"slices"
	"time"
)

// unknown is whether a container uses an image that the store does not know: any
// layer may be its.
func (s *Store) unknown(inUse map[string]bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for digest := range inUse {
		if s.images[digest] == nil {
			s.cfg.Log.Warn("a container uses an image that the store does not know: no layer is cleared", "image", digest)
			return true
		}
	}
	return false
}

// sweep removes the layers that no image has and no pull wants, unless it is
// blind to what containers use, and interrupted downloads.
func (s *Store) sweep(p *Pruned, blind bool) error {
	if blind {
		return s.sweepPartials()
	}
	for _, l := range s.unneeded() {
		place, info, err := s.drop(l)
		if err != nil {
			return err
		}
		if place == "" {
			continue
		}
		p.Layers++
		p.Bytes += info.Size
		if err := os.RemoveAll(place); err != nil {
			return err
		}
	}
	return s.sweepPartials()
}

func (s *Store) unneeded() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	needed := map[string]bool{}
	for _, rec := range s.images {
		for _, l := range rec.Layers {
			needed[l] = true
		}
	}
	var list []string
	for l := range s.layers {
		if !needed[l] && s.wanted[l] == 0 {
			list = append(list, l)
		}
	}
	slices.Sort(list)
	return list
}

// drop moves a layer out of its place at once; "" if a pull came to want it, or
// an image to have it.
func (s *Store) drop(diffID string) (place string, info layerInfo, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, there := s.layers[diffID]
	for _, rec := range s.images {
		there = there && !slices.Contains(rec.Layers, diffID)
	}
	if !there || s.wanted[diffID] > 0 {
		return "", layerInfo{}, nil
	}
	if place, err = os.MkdirTemp(s.path("tmp"), "gone"); err != nil {
		return "", layerInfo{}, err
	}
	if err := os.Rename(s.layerDir(diffID), place+"/layer"); err != nil {
		return "", layerInfo{}, err
	}
	delete(s.layers, diffID)
	return place, info, nil
}

// sweepPartials removes interrupted downloads unless one may be going on.
func (s *Store) sweepPartials() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wanted) > 0 {
		return nil
	}
	return s.clearPartials(time.Now())
}
