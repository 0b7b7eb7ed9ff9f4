package native_test

import (
	"os"
	"path/filepath"
	"testing"
)

// A container may write to its hosts, resolv.conf and hostname, and so make them
// as large as it likes: the next life finds them as they should be, and the agent
// has read nothing of it.
func TestStart_AfterTheProgramGrewItsFiles(t *testing.T) {
	c := newCrash(t)
	r := c.open("n")
	in := c.container("write", "/etc/hosts", "mine", "sleep")
	c.starts(r, in)
	if err := r.Stop(t.Context(), in.ID, "SIGTERM", 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hosts", "resolv.conf", "hostname"} {
		all, err := filepath.Glob(filepath.Join(c.config("n").Dir, "containers", "*", name))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s stands at %q, %v", name, all, err)
		}
		if err := os.Truncate(all[0], 8e12); err != nil {
			t.Fatal(err)
		}
	}
	c.recovers(in)
}
