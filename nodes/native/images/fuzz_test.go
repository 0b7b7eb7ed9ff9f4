package images_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/images"
)

// FuzzUnpack feeds layers to the unpacking: whatever they are, nothing beside
// the root is touched, and what is taken holds no device.
func FuzzUnpack(f *testing.F) {
	for _, h := range corpus {
		t := &testing.T{}
		if b := h.layer(t, "/nowhere"); len(b) < 64<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, layer []byte) {
		outside := t.TempDir()
		fillOutside(t, outside)
		before := surroundings(t, outside)
		root := filepath.Join(outside, "store", "tmp", "layer", "fs")
		if err := os.MkdirAll(root, 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := images.Unpack(t.Context(), root, bytes.NewReader(layer), small)
		if d := cmp.Diff(before, surroundings(t, outside)); d != "" {
			t.Errorf("outside was touched: %s", d)
		}
		for _, above := range []string{"store", "store/tmp", "store/tmp/layer"} {
			if list, err := os.ReadDir(filepath.Join(outside, above)); err != nil || len(list) != 1 {
				t.Errorf("%s holds %v, %v", above, list, err)
			}
		}
		filepath.WalkDir(root, func(path string, d os.DirEntry, _ error) error {
			var st unix.Stat_t
			if err == nil && d.Type()&os.ModeDevice != 0 && unix.Lstat(path, &st) == nil && st.Rdev != 0 {
				t.Errorf("%s is the device %x", path, st.Rdev)
			}
			return nil
		})
	})
}
