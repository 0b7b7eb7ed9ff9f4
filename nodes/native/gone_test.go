package native

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDrop_AgainWhileTheFirstIsNotCleared is a slot that gets the same digest
// again and again, with a disk that is slow.
func TestDrop_AgainWhileTheFirstIsNotCleared(t *testing.T) {
	n := newNames(t.TempDir(), "c", "n")
	folder, seen := n.folder("web.0@0123456789ab"), map[string]bool{}
	for range 3 {
		if err := os.MkdirAll(filepath.Join(n.path(folder), "upper", "file"), 0o700); err != nil {
			t.Fatal(err)
		}
		gone, err := n.drop(folder)
		if err != nil {
			t.Fatal(err)
		}
		if !n.owns(filepath.Base(gone)) || seen[gone] {
			t.Errorf("%q is not cleared by the next process, or was there", gone)
		}
		seen[gone] = true
	}
	for gone := range seen {
		if _, err := os.Stat(filepath.Join(gone, "upper", "file")); err != nil {
			t.Error(err)
		}
	}
}
