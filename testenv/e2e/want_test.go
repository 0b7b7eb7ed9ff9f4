package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// in is the dev for a subtest.
func (d *dev) in(t *testing.T) *dev {
	sub := *d
	sub.t = t
	return &sub
}

// write puts a file into the clone.
func (d *dev) write(path, text string) {
	d.t.Helper()
	writeFile(d.t, filepath.Join(d.clone, path), text)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commit pushes what was written.
func (d *dev) commit(subject string) string {
	d.t.Helper()
	return d.push(": " + subject)
}

// wantOutcome waits for the commit's end and returns its record.
func (d *dev) wantOutcome(commit string, want reconciler.Outcome) status.Revision {
	d.t.Helper()
	d.answers()
	if got := d.await(commit); got != want {
		d.t.Errorf("commit %.10s: %s, want %s; status:\n%s", commit, got, want, d.shell("bayplan status -o wide"))
	}
	return d.revision(commit)
}

// answers waits for a server that was killed a moment ago.
func (d *dev) answers() {
	d.t.Helper()
	d.eventually("server that answers", func() bool { _, code := d.try("bayplan status >/dev/null 2>&1"); return code == 0 })
}

func (d *dev) revision(commit string) status.Revision {
	d.t.Helper()
	st := d.status()
	for _, r := range st.Commits() {
		if r.Commit == commit {
			return r
		}
	}
	return status.Revision{}
}

// wantShown waits until `bayplan status` shows each of the texts.
func (d *dev) wantShown(texts ...string) {
	d.t.Helper()
	shown := ""
	for _, text := range texts {
		if !within(d.t, awhile, func() bool {
			shown, _ = d.try("bayplan status -o wide")
			return strings.Contains(shown, text)
		}) {
			d.t.Errorf("status: want %q in:\n%s", text, shown)
		}
	}
}

// awhile is how long something may take that takes a second on a machine that
// does nothing else.
const awhile = time.Minute

// within asks again and again, as eventually does, and says whether it came.
func within(t *testing.T, limit time.Duration, holds func() bool) bool {
	late := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-late:
			return false
		case <-t.Context().Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// of are the containers of one workload.
func (d *dev) of(workload string) map[string]string {
	d.t.Helper()
	all := d.containers()
	maps.DeleteFunc(all, func(_, life string) bool { return !strings.HasPrefix(life, workload+".") })
	return all
}

// wantSame wants the same containers as before, none started anew.
func wantSame(t *testing.T, what string, before, now map[string]string) {
	t.Helper()
	if !maps.Equal(before, now) {
		t.Errorf("%s: containers are\n%v\nand were\n%v", what, now, before)
	}
}

// wantExit runs a script and wants its exit code; it returns all that was said.
func (d *dev) wantExit(want int, script string) string {
	d.t.Helper()
	out, code := d.try("{ " + script + "; } 2>&1")
	if code != want {
		d.t.Errorf("%s: exit code %d, want %d\n%s", script, code, want, out)
	}
	return out
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
