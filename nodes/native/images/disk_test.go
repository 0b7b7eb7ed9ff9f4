package images_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/images"
)

// smallDisk is a file system of its own.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func zeros(t *testing.T, size int) v1.Image {
	return packedImage(t, packed(archived(t, file("a", "x"), file("zeros", strings.Repeat("\x00", size)))))
}

func TestDisk_FullWhileUnpacking(t *testing.T) {
	for name, c := range map[string]struct {
		options string
		reserve int64
		img     func(*testing.T) v1.Image
	}{
		"bytes":   {"size=2m", -1, func(t *testing.T) v1.Image { return zeros(t, 3<<20) }},
		"inodes":  {"size=2m,nr_inodes=40", -1, manyFiles},
		"reserve": {"size=24m", 10 << 20, func(t *testing.T) v1.Image { return zeros(t, 17<<20) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, c.options)
			f := newFaulty(t)
			ref := f.add(t, "1", c.img(t))
			s := open(t, images.Config{Dir: dir, Limits: images.Limits{Reserve: c.reserve}})
			_, err := s.Pull(soon(t), ref)
			wantFailure(t, err, nodes.PullFailed, "it does not fit on the node's disk", "no space left on device")
			wantNothingLeft(t, dir)
		})
	}
}

func manyFiles(t *testing.T) v1.Image {
	var list []entry
	for i := range 100 {
		list = append(list, file(fmt.Sprint(i), ""))
	}
	return packedImage(t, archived(t, list...))
}

func TestDisk_FullWhileFetching(t *testing.T) {
	dir := smallDisk(t, "size=3m")
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 1<<20))
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		w.Write(body[:100<<10])
		w.(http.Flusher).Flush()
		os.WriteFile(filepath.Join(dir, "others"), make([]byte, 6<<20), 0o600) // as much as fits
		w.Write(body[100<<10:])
		return true
	}
	_, err := open(t, images.Config{Dir: dir, Limits: images.Limits{Reserve: 1 << 20}}).Pull(soon(t), ref)
	wantFailure(t, err, nodes.DiskFull, "disk is full")
	wantNothingLeft(t, dir)
}

func TestDisk_TooSmallIsToldBeforeFetching(t *testing.T) {
	dir := smallDisk(t, "size=2m")
	f := newFaulty(t)
	_, err := open(t, images.Config{Dir: dir}).Pull(t.Context(), f.add(t, "1", big(t, 5<<20)))
	wantFailure(t, err, nodes.PullFailed, "it does not fit", "2 MiB are free, and 5 MiB", "wanted")
	if n := f.times("blobs/"); n != 0 {
		t.Errorf("fetched %d times", n)
	}
}

func TestDisk_RoomIsMadeOfWhatIsNotUsed(t *testing.T) {
	dir := smallDisk(t, "size=8m")
	f := newFaulty(t)
	old, next := f.add(t, "1", big(t, 3<<20)), f.add(t, "2", big(t, 3<<20))
	var inUse []string
	s := open(t, images.Config{Dir: dir, InUse: func(context.Context) ([]string, error) { return inUse, nil }, Limits: images.Limits{Reserve: 3 << 20}})
	img := mustPull(t, s, old)
	images.Age(s, img.Digest, time.Now().Add(-time.Hour))
	inUse = []string{img.Digest}
	_, err := s.Pull(t.Context(), next)
	wantFailure(t, err, nodes.PullFailed, "it does not fit on the node's disk")
	inUse = nil
	mustPull(t, s, next)
	if _, err := s.Get(old); err == nil {
		t.Error("the unused image is still there")
	}
}
