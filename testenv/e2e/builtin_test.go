package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// builtIn is the built-in runtime. What it runs is found by the folders that
// containers have, and by the kernel's own word: the processes of a control
// group and when each began.
type builtIn struct{}

func (builtIn) runtime() string { return "native" }

func (builtIn) missing() string {
	if os.Getuid() != 0 {
		return "not root: the built-in runtime cannot run"
	}
	return ""
}

// folder is one container's, as it is found on the disk.
type folder struct {
	path string
	cfg  bundle.Config
}

func (f *folder) name() string { return filepath.Base(f.path) }

// id is what the status calls the container: the end of its folder's name.
func (f *folder) id() string { return f.path[strings.LastIndexByte(f.path, '.')+1:] }

// folders are those of a cluster, whatever its agents' own folders are called.
func folders(d *dev) (found []folder) {
	paths, _ := filepath.Glob(filepath.Join(d.dir, "*", "native", "containers", "*"))
	for _, path := range paths {
		f := folder{path: path}
		b, err := os.ReadFile(filepath.Join(path, "config.json"))
		if strings.HasPrefix(f.name(), ".") || err != nil || json.Unmarshal(b, &f.cfg) != nil {
			continue // half made, or gone meanwhile
		}
		found = append(found, f)
	}
	return found
}

func (builtIn) containers(t *testing.T, d *dev) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, f := range folders(d) {
		found[f.id()] = f.cfg.Slot + " " + lifeOfGroup(t, f.cfg.Cgroup)
	}
	return found
}

// lifeOfGroup is the first process of a container and when it began; more than
// one of them would be a container that runs twice.
func lifeOfGroup(t *testing.T, group string) string {
	t.Helper()
	first := firstProcesses(t, group)
	if len(first) > 1 {
		t.Errorf("%s runs %d times: %v", group, len(first), first)
	}
	if len(first) == 0 {
		return "does not run"
	}
	return first[0].String()
}

// life is a process that is never mistaken for another of the same pid.
type life bundle.Process

func (l life) String() string { return fmt.Sprintf("as process %d since %d", l.Pid, l.Start) }

// runs is whether it has not ended.
func (l life) runs() bool { return startOf(l.Pid) == l.Start }

// firstProcesses are the processes of a control group that are the first of a
// pid namespace of their own.
func firstProcesses(t *testing.T, group string) (found []life) {
	t.Helper()
	b, _ := os.ReadFile(filepath.Join(groupRoot(t), group, "cgroup.procs")) // none without a group
	for _, word := range strings.Fields(string(b)) {
		pid, _ := strconv.Atoi(word)
		if start := startOf(pid); start > 0 && isFirst(pid) {
			found = append(found, life{pid, start})
		}
	}
	return found
}

// groupRoot is a hierarchy that has the group of every container.
func groupRoot(t *testing.T) string {
	t.Helper()
	mounted, err := cgroup.Mounted()
	if err != nil {
		t.Fatal(err)
	}
	if root, ok := mounted.Controllers["memory"]; ok {
		return root
	}
	return mounted.Unified
}

// isFirst is whether the process is number 1 in its innermost namespace, of two.
func isFirst(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(b), "\nNSpid:")
	line, _, _ := strings.Cut(rest, "\n")
	ids := strings.Fields(line)
	return len(ids) > 1 && ids[len(ids)-1] == "1"
}

// startOf is when a process began, in ticks since boot; 0 if it has ended.
func startOf(pid int) uint64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const state, start = 3 - 3, 22 - 3
	if len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return 0
	}
	at, _ := strconv.ParseUint(fields[start], 10, 64)
	return at
}

// looksEvery is far less than a container takes from one state to the next.
const looksEvery = 10 * time.Millisecond

// follow looks again and again.
func (builtIn) follow(t *testing.T, d *dev, r *recorder) {
	w := &watcher{t: t, d: d, r: r, seen: map[string]*seen{}}
	w.look() // what is there already is no news
	w.tells = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(looksEvery)
		defer tick.Stop()
		for {
			select {
			case <-t.Context().Done():
				return
			case <-tick.C:
				w.look()
			}
		}
	}()
	t.Cleanup(func() { <-done })
}

// watcher turns what it sees into events.
type watcher struct {
	t     *testing.T
	d     *dev
	r     *recorder
	seen  map[string]*seen
	tells bool
}

// seen is a container as of the last look.
type seen struct {
	folder
	// lives is how many began, and last the newest, since then; killed is
	// whether it was told to end.
	lives  int
	last   life
	since  time.Time
	runs   bool
	killed bool
	// log is held open, so that it can be read to its end when the folder is gone;
	// nil before there is one.
	log *os.File
}

func (w *watcher) look() {
	there := map[string]bool{}
	for _, f := range folders(w.d) {
		there[f.id()] = true
		s := w.seen[f.id()]
		if s == nil {
			s = &seen{folder: f}
			w.seen[f.id()] = s
			w.tell(s, "create", time.Now())
		}
		w.live(s)
	}
	for id, s := range w.seen {
		if !there[id] {
			w.live(s)
			w.tell(s, "destroy", time.Now())
			s.log.Close()
			delete(w.seen, id)
		}
	}
}

// live tells of the container's lives: each that its folder counts, and the end
// of the newest, by the kernel's word.
func (w *watcher) live(s *seen) {
	var started bundle.Started
	b, err := os.ReadFile(filepath.Join(s.path, "started.json"))
	if err == nil && json.Unmarshal(b, &started) == nil {
		for ; s.lives < started.Life; s.lives++ {
			s.end(w)
			s.last, s.since, s.runs, s.killed = life(started.Init), started.At, true, false
			w.tell(s, "start", time.Now())
		}
		w.compare(s)
	}
	if at, ok := s.drains(); ok && !s.killed && at.After(s.since) {
		s.killed = true
		w.tell(s, "kill", at)
	}
	if s.runs && !s.last.runs() {
		s.end(w)
	}
}

// compare wants the process that the folder names to be the one that the control
// group holds.
func (w *watcher) compare(s *seen) {
	for _, x := range firstProcesses(w.t, s.cfg.Cgroup) {
		if x != s.last && s.last.runs() {
			w.t.Errorf("%s runs %s, and its folder says %s", s.cfg.Slot, x, s.last)
		}
	}
}

func (s *seen) end(w *watcher) {
	if s.runs {
		s.runs = false
		w.tell(s, "die", time.Now())
	}
}

// drains is when the demo's program last said that the signal to end had come.
func (s *seen) drains() (at time.Time, ok bool) {
	if s.log == nil {
		s.log, _ = os.Open(filepath.Join(s.path, "log", "00000001.log")) // not there before the first life
	}
	if s.log == nil {
		return at, false
	}
	b, _ := io.ReadAll(io.NewSectionReader(s.log, 0, 1<<20))
	for line := range strings.Lines(string(b)) {
		stamp, text, _ := strings.Cut(line, " ")
		if said, err := time.Parse(time.RFC3339Nano, stamp); err == nil && strings.Contains(text, " drains for ") {
			at, ok = said, true
		}
	}
	return at, ok
}

func (w *watcher) tell(s *seen, what string, at time.Time) {
	if w.tells {
		w.r.add(event{what: what, id: s.id(), slot: s.cfg.Slot, node: s.cfg.Node, ports: s.cfg.Ports, at: at})
	}
}
