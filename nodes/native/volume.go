package native

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	securejoin "github.com/cyphar/filepath-securejoin"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/images"
)

// makeVolumes makes the slot's volumes that are not there yet. A new one belongs
// to whom the image's directory of that path does, so that a program that is not
// root can write to it.
func (r *Runtime) makeVolumes(c agent.Container, image images.Image) error {
	for _, name := range slices.Sorted(maps.Keys(c.Workload.Volumes)) {
		path := r.names.volume(c.Slot, name)
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		if err := makeVolume(path, imageDir(image.Layers, c.Workload.Volumes[name].Path)); err != nil {
			return fmt.Errorf("volume %s: %w", name, err)
		}
	}
	return nil
}

// makeVolume makes it under another name first: from the moment it has its own
// it belongs to the right one.
func makeVolume(path string, like *syscall.Stat_t) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(path), newPrefix+filepath.Base(path))
	if err := os.Mkdir(tmp, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chown(tmp, int(like.Uid), int(like.Gid)); err != nil {
		return err
	}
	if err := syscall.Chmod(tmp, like.Mode&0o7777); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// imageDir is the image's directory of a path: who owns it and with which mode.
// One that the image does not have is root's.
func imageDir(layers []string, path string) *syscall.Stat_t {
	for _, layer := range slices.Backward(layers) {
		at, err := securejoin.SecureJoin(layer, path)
		if err != nil {
			break
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(at, &st); err != nil {
			continue
		}
		if st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
			break // removed, or no directory
		}
		return &st
	}
	return &syscall.Stat_t{Mode: 0o755}
}
