package native

import (
	"os"
	"testing"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// A process that has the pid of a monitor, and its start time by accident, is none
// if the machine was started since.
func TestFind_OfAnotherBoot(t *testing.T) {
	start, err := startOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	r, me := testRuntime(t), bundle.Process{Pid: os.Getpid(), Start: start}
	for _, c := range []struct {
		of   string
		life bundle.Started
		want bool
	}{
		{"this one", bundle.Started{Boot: boot(), Monitor: me}, true},
		{"this one, of a former process", bundle.Started{Boot: boot(), Monitor: bundle.Process{Pid: me.Pid, Start: start - 1}}, false},
		{"one of another boot", bundle.Started{Boot: "another", Monitor: me}, false},
		{"one that an earlier version wrote", bundle.Started{Monitor: me}, true},
	} {
		w, err := r.find(&c.life)
		if err != nil || (w != nil) != c.want {
			t.Errorf("%s is found: %v, %v", c.of, w != nil, err)
		}
		if w != nil {
			w.pidfd.Close()
		}
	}
}
