//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	continuity "github.com/containerd/continuity/fs"
	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/quota"
)

// fillVolumes makes the volumes that are not there yet of what the image has in
// their place, as Docker does: a program that is not root can write to what the
// image gave to it. Then each is bounded as it is to be by now.
func fillVolumes(folder string, cfg *bundle.Config) error {
	for _, m := range cfg.Mounts {
		if !m.Fill {
			continue
		}
		if err := fillVolume(filepath.Join(folder, rootDir), m); err != nil {
			return fmt.Errorf("making the volume at %s: %w", m.Target, err)
		}
		if err := quota.Bound(m.Source, m.Size); err != nil {
			return fmt.Errorf("bounding the volume at %s: %w", m.Target, err)
		}
	}
	return nil
}

// bounded is whether a volume has a size that the container is to keep.
func bounded(m bundle.Mount) bool { return m.Fill && m.Size > 0 }

// fillVolume gives the volume its name when it is whole and on the disk: it is
// never filled again.
func fillVolume(root string, m bundle.Mount) error {
	if _, err := os.Lstat(m.Source); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong with it shows when it is mounted
	}
	from, err := securejoin.SecureJoin(root, m.Target)
	if err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(m.Source), ".new-"+filepath.Base(m.Source))
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := copyDir(tmp, from); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return os.Rename(tmp, m.Source)
}

// copyDir makes an empty folder of what is none.
func copyDir(to, from string) error {
	if info, err := os.Lstat(from); err != nil || !info.IsDir() {
		return os.Mkdir(to, 0o755)
	}
	if err := continuity.CopyDir(to, from); err != nil {
		return err
	}
	dir, err := os.Open(to)
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.Syncfs(int(dir.Fd()))
}
