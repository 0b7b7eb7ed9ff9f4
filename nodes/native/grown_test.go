package native_test

import (
	"os"
	"path/filepath"
	"testing"
)

// A container may write to its hosts, resolv.conf and hostname: its folder has
// nothing of that, and the next life finds them as they should be.
func TestStart_AfterTheProgramWroteToItsFiles(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("write", "/etc/hosts", "mine", "sleep")
	c.starts(r, in)
	if err := r.Stop(t.Context(), in.ID, "SIGTERM", 0); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(r.Folder(in.ID), func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Name() == "hosts" {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c.recovers(in)
}
