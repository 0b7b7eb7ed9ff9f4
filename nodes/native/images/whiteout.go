package images

import (
	"archive/tar"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
	// opaqueXattr makes overlayfs show nothing of a directory's lower layers.
	opaqueXattr = "trusted.overlay.opaque"
)

// whiteouts turns the marks of a layer's archive into those of overlayfs: a
// character device 0/0 for what is gone, an xattr on a directory that hides all
// below it. A mark speaks of lower layers only, wherever in the archive it
// stands: what the layer itself brings stays.
type whiteouts struct {
	root string
	// places are paths that are gone from the lower layers.
	places map[string]bool
}

// convert is called with the entry's place, its parent resolved within the root.
// It is false for an entry that was a mark.
func (w whiteouts) convert(h *tar.Header, path string) (bool, error) {
	dir, base := filepath.Split(path)
	if base == opaqueMarker {
		return false, unix.Lsetxattr(filepath.Clean(dir), opaqueXattr, []byte{'y'}, 0)
	}
	name, ok := strings.CutPrefix(base, whiteoutPrefix)
	if !ok {
		return true, nil
	}
	gone := dir + name
	w.places[gone] = true
	switch there, err := os.Lstat(gone); {
	case errors.Is(err, fs.ErrNotExist):
		return false, unix.Mknod(gone, unix.S_IFCHR, 0)
	case err != nil:
		return false, err
	case there.IsDir():
		return false, unix.Lsetxattr(gone, opaqueXattr, []byte{'y'}, 0)
	}
	return false, nil // the layer's own file hides what is below it
}

// finish hides the lower content of directories that the layer made in the
// place of something it had removed, and tells whether the root is opaque. By
// now any part of a path may be a link, so all is looked up within the root.
func (w whiteouts) finish() (opaque bool, err error) {
	root, err := os.OpenRoot(w.root)
	if err != nil {
		return false, err
	}
	defer root.Close()
	for place := range w.places {
		if err := hideBelow(root, strings.TrimPrefix(place, w.root+"/")); err != nil {
			return false, err
		}
	}
	value := make([]byte, 1)
	n, err := unix.Lgetxattr(w.root, opaqueXattr, value)
	return err == nil && n == 1 && value[0] == 'y', nil
}

func hideBelow(root *os.Root, place string) error {
	there, err := root.Lstat(place)
	if err != nil || !there.IsDir() {
		return nil // removed again, or a file that hides by itself
	}
	f, err := root.Open(place)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fsetxattr(int(f.Fd()), opaqueXattr, []byte{'y'}, 0)
}
