package images

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// record is an image on disk. It is written once all its layers are there, and
// never changed.
type record struct {
	Digest string    `json:"digest"`
	Config RunConfig `json:"config"`
	// Layers are diffIDs, the lowest first.
	Layers  []string  `json:"layers"`
	Created time.Time `json:"created,omitzero"`

	used time.Time // the file's mtime
}

// layerInfo is what is kept of a layer beside its files.
type layerInfo struct {
	// Size is the sum of its files in bytes, Entries their number with
	// directories and links.
	Size    int64 `json:"size"`
	Entries int   `json:"entries"`
	// Opaque says that nothing of the layers below is to be seen.
	Opaque bool `json:"opaque,omitempty"`
}

func hex(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

// loadLayers takes what is whole. A layer was renamed into place after it
// reached the disk, so one without its info was tampered with, and goes.
func (s *Store) loadLayers() error {
	entries, err := os.ReadDir(s.path("layers"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		var info layerInfo
		diffID := "sha256:" + e.Name()
		if err := readJSON(s.path("layers", e.Name(), "info.json"), &info); err == nil && isDigest(diffID) {
			s.layers[diffID] = info
			continue
		}
		s.cfg.Log.Warn("a layer without its record is removed", "layer", e.Name())
		if err := os.RemoveAll(s.path("layers", e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) loadImages() error {
	entries, err := os.ReadDir(s.path("images"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		rec, err := s.loadImage(e)
		if err == nil {
			s.images[rec.Digest] = rec
			continue
		}
		s.cfg.Log.Warn("an image is forgotten", "image", e.Name(), "err", err)
		if err := os.RemoveAll(s.path("images", e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) loadImage(e os.DirEntry) (*record, error) {
	rec := &record{}
	if err := readJSON(s.path("images", e.Name()), rec); err != nil {
		return nil, err
	}
	if !isDigest(rec.Digest) || hex(rec.Digest)+".json" != e.Name() {
		return nil, fmt.Errorf("it calls itself %q", rec.Digest)
	}
	for _, l := range rec.Layers {
		if _, ok := s.layers[l]; !ok {
			return nil, fmt.Errorf("its layer %s is gone", l)
		}
	}
	info, err := e.Info()
	if err != nil {
		return nil, err
	}
	rec.used = info.ModTime()
	return rec, nil
}

// loadNames forgets the names of images that are not there. Losing all names
// costs a question to the registry each.
func (s *Store) loadNames() error {
	err := readJSON(s.path("refs.json"), &s.names)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.cfg.Log.Warn("the names of images are forgotten", "err", err)
		s.names = map[string]string{}
	}
	if s.names == nil {
		s.names = map[string]string{}
	}
	maps.DeleteFunc(s.names, func(_, digest string) bool { return s.images[digest] == nil })
	for digest := range s.images {
		s.names[digest] = digest
	}
	return nil
}

// rename gives an image its names, and takes them from the image that had them.
// It needs s.mu.
func (s *Store) rename(rec *record, names []string) error {
	changed := false
	for _, n := range append(names, rec.Digest) {
		if s.names[n] != rec.Digest {
			s.names[n], changed = rec.Digest, true
		}
	}
	if !changed {
		return nil
	}
	return s.writeNames()
}

// writeNames needs s.mu.
func (s *Store) writeNames() error { return s.writeJSON(s.path("refs.json"), s.names) }

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeJSON replaces a file so that a crash leaves the old one or the new one.
func (s *Store) writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(s.path("tmp"), "record")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir brings a directory's entries to the disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
