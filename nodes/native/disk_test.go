package native_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native"
)

// smallDisk is a node on a file system of its own, and what fills that.
func (c *crash) smallDisk() (r *native.Runtime, fill, empty func()) {
	disk := c.t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		c.t.Skipf("no tmpfs: %v", err)
	}
	c.t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	r = c.openWith("n", func(cfg *native.Config) { cfg.Dir = disk })
	c.t.Cleanup(func() { r.Close() }) // before its disk goes
	if _, err := r.List(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	filler := filepath.Join(disk, "filler")
	fill = func() {
		if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
			c.t.Fatal("the disk is not full")
		}
	}
	empty = func() {
		if err := os.Remove(filler); err != nil {
			c.t.Fatal(err)
		}
	}
	return r, fill, empty
}

func TestStart_OnAFullDisk(t *testing.T) {
	c := newCrash(t)
	r, fill, empty := c.smallDisk()
	fill()
	in := c.container("sleep")
	_, err := r.Start(t.Context(), in)
	wantFailure(t, err, nodes.DiskFull, "full")
	if left, err := os.ReadDir(filepath.Dir(r.Folder(in.ID))); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	empty()
	c.starts(r, in)
	if err := errors.Join(r.Stop(t.Context(), in.ID, "SIGKILL", 0), r.Remove(t.Context(), in.ID)); err != nil {
		t.Error(err)
	}
}

// TestExit_OnAFullDisk is known by its code all the same, to the next agent, too.
func TestExit_OnAFullDisk(t *testing.T) {
	c := newCrash(t)
	r, fill, _ := c.smallDisk()
	in := c.container("echo", "up", "sleep")
	c.starts(r, in)
	c.awaitOutput(r, in.ID, "up\n")
	fill()
	if err := r.Stop(t.Context(), in.ID, "SIGTERM", patience); err != nil {
		t.Fatal(err)
	}
	next, err := native.New(r.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	for _, r := range []*native.Runtime{r, next} {
		if all, err := r.List(t.Context()); err != nil || len(all) != 1 || all[0].ExitCode != 0 || all[0].Error != "" || all[0].Finished.IsZero() {
			t.Errorf("it is %+v, %v", all, err)
		}
	}
	if err := r.Remove(t.Context(), in.ID); err != nil {
		t.Error(err)
	}
}
