package images

import (
	"maps"
	"os"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bayplan/bayplan/nodes"
)

// Image is one that is present, whole.
type Image struct {
	// Digest of its manifest for this platform, "sha256:…": the identity that
	// [Config.InUse] and [Store.List] speak of. The reference may have named
	// another, of a list of manifests.
	Digest string
	// Config is how the image wants to be run.
	Config RunConfig
	// Layers are directories, absolute, the lowest first, to be joined by
	// overlayfs; never written to. An image without any is empty.
	Layers []string
}

// RunConfig is the part of an image's config that says how to run it, in OCI's
// words.
type RunConfig struct {
	Env        []string `json:"env,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	// User is "user", "uid", "user:group" or "uid:gid"; "" is root.
	User       string `json:"user,omitempty"`
	WorkingDir string `json:"workingDir,omitempty"`
	// ExposedPorts are "80/tcp", sorted.
	ExposedPorts []string `json:"exposedPorts,omitempty"`
	// Volumes are paths, sorted.
	Volumes    []string          `json:"volumes,omitempty"`
	StopSignal string            `json:"stopSignal,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

func runConfig(c v1.Config) RunConfig {
	return RunConfig{
		Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, User: c.User, WorkingDir: c.WorkingDir,
		ExposedPorts: slices.Sorted(maps.Keys(c.ExposedPorts)), Volumes: slices.Sorted(maps.Keys(c.Volumes)),
		StopSignal: c.StopSignal, Labels: c.Labels,
	}
}

// Get finds an image that is present, by a reference as [Store.Pull] takes it or
// by its bare digest. It asks nobody. What it finds counts as used now.
func (s *Store) Get(ref string) (Image, error) {
	image, release, err := s.Use(ref)
	if err == nil {
		release()
	}
	return image, err
}

// Use is Get for one who is about to write down, where [Config.InUse] will see
// it, that the image is in use: until release is called it is not cleared.
// Release may be called again, to no effect.
func (s *Store) Use(ref string) (image Image, release func(), err error) {
	r, err := parseReference(ref)
	if err != nil {
		return Image{}, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.lookup(r)
	if rec == nil {
		return Image{}, nil, fail(nodes.ImageNotFound, nil, "the image %s is not on this node", ref)
	}
	s.hold(rec)
	return s.image(rec), s.releaser(rec.Digest), nil
}

// lookup needs s.mu.
func (s *Store) lookup(r reference) *record {
	return s.images[s.names[r.key()]]
}

// hold needs s.mu.
func (s *Store) hold(rec *record) {
	s.held[rec.Digest]++
	s.touch(rec)
}

// releaser ends one hold, once. The image is touched again, so that a clearing
// that asked for the images in use before this moment spares it.
func (s *Store) releaser(digest string) func() {
	released := false
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if released {
			return
		}
		released = true
		if s.held[digest]--; s.held[digest] == 0 {
			delete(s.held, digest)
		}
		if rec := s.images[digest]; rec != nil {
			s.touch(rec)
		}
	}
}

// touch needs s.mu. The time is kept as the record's mtime: losing it in a crash
// costs an image its place in the order of clearing, no more.
func (s *Store) touch(rec *record) {
	rec.used = time.Now()
	s.touched[rec.Digest] = true
	if err := os.Chtimes(s.imageFile(rec.Digest), rec.used, rec.used); err != nil {
		s.cfg.Log.Warn("image's last use", "image", rec.Digest, "err", err)
	}
}

// image needs s.mu.
func (s *Store) image(rec *record) Image {
	image := Image{Digest: rec.Digest, Config: rec.Config}
	for _, l := range s.stack(rec.Layers) {
		image.Layers = append(image.Layers, s.layerFiles(l))
	}
	return image
}

// stack is what can be seen of the layers, the lowest first. One that comes
// again higher up adds nothing where it was first, and the kernel takes none
// twice; nor does it heed that a layer's root hides all below.
func (s *Store) stack(layers []string) []string {
	var seen []string
	for _, l := range slices.Backward(layers) {
		if !slices.Contains(seen, l) {
			seen = append(seen, l)
		}
		if s.layers[l].Opaque {
			break
		}
	}
	slices.Reverse(seen)
	return seen
}
