package evaluate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

const service = "workloads: web: {kind: \"service\", image: \"r/web:1\"}\n"

var revision = schema.Revision{Commit: "c0ffee"}

// pool is one with a test's limits.
func pool(t *testing.T, cfg Config) *Pool {
	if cfg.Memory == 0 {
		cfg.Memory = 384 << 20
	}
	p := New(cfg)
	t.Cleanup(p.Close)
	return p
}

// role is the command of a worker that does something else.
func role(name string) []string { return []string{"/proc/self/exe", name} }

func within(d time.Duration) load.Option { return load.WithLimits(load.Limits{PackageTime: d}) }

// I14: workers come to what this process would have come to.
func TestPool_SameAsHere(t *testing.T) {
	files := fstest.MapFS{"cue.mod/module.cue": {Data: []byte(`module: "x.example/m"`)},
		"cluster.cue":  {Data: []byte(`cluster: policy: image: =~"^r/"`)},
		"lib/l.cue":    {Data: []byte("package lib\nimage: \"r/lib:1\"")},
		"user/u.cue":   {Data: []byte("package user\nimport \"x.example/m/lib\"\nworkloads: a: {kind: \"service\", image: lib.image}")},
		"wrong/w.yaml": {Data: []byte("workloads: {a: {kind: service, image: q/x, replicas: many}}")}}
	for i := range 20 {
		files[fmt.Sprintf("team%d/a.cue", i)] = &fstest.MapFile{Data: []byte(service)}
	}
	want, wantErr := load.Load(files, revision)
	got, err := load.Load(files, revision, load.WithEvaluator(pool(t, Config{}).Evaluate))
	if diff := cmp.Diff(want, got); diff != "" || fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Errorf("%s\n%v\nwant %v", diff, err, wantErr)
	}
	if len(want.Workloads) != 21 || wantErr == nil {
		t.Errorf("the test's own tree is wrong: %d, %v", len(want.Workloads), wantErr)
	}
}

// I13, I27: a bomb costs its team the update, with its folder and the limit in the
// words, and nobody else anything: not the server's memory either.
func TestPool_Bombs(t *testing.T) {
	if shadow > 0 {
		t.Skip("the race detector's memory has no limit")
	}
	archive, err := txtar.ParseFile("testdata/bombs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{"memory": "more than 256 MiB of memory", "processor": "more than 1s of processor time"}
	p := pool(t, Config{Workers: 2, Memory: 256 << 20, Wall: 100})
	before := resident(t)
	for _, bomb := range archive.Files {
		team, _, _ := strings.Cut(bomb.Name, "/")
		t.Run(team, func(t *testing.T) {
			files := fstest.MapFS{bomb.Name: {Data: bomb.Data}, "zeta/a.cue": {Data: []byte(service)}, "alpha/a.cue": {Data: []byte(service)}}
			spec, err := load.Load(files, revision, within(time.Second), load.WithEvaluator(p.Evaluate))
			if len(spec.Workloads) != 2 || err == nil {
				t.Fatalf("got %+v, %v", spec.Workloads, err)
			}
			first, _, _ := strings.Cut(strings.TrimPrefix(string(bomb.Data), "// "), "\n")
			good := false
			for w := range strings.SplitSeq(first, "|") {
				good = good || strings.HasPrefix(err.Error(), team+": evaluating the folder was stopped: it took "+words[w])
			}
			if !good {
				t.Errorf("want %s: %v", first, err)
			}
			t.Log(err)
		})
	}
	if more := resident(t) - before; more > 64<<20 {
		t.Errorf("the bombs cost this process %d MiB", more>>20)
	}
}

// resident is this process's memory in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// What a worker does instead of its work is the package's affair, within bounds.
func TestPool_WorkersThatMisbehave(t *testing.T) {
	for name, want := range map[string]string{
		"huge":   "it took more than 1 MiB for what it comes to",
		"hang":   "it took more than 300ms",
		"crash":  "it took the evaluator's life (exit status 1) fatal error: something else",
		"greedy": "it took more than 20000 folders",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pool(t, Config{Command: role(name), Output: 1 << 20, Wall: 6})
			files := fstest.MapFS{"a/a.cue": {Data: []byte(service)}}
			spec, err := load.Load(files, revision, within(map[bool]time.Duration{true: 50 * time.Millisecond}[name == "hang"]), load.WithEvaluator(p.Evaluate))
			if len(spec.Workloads) > 0 || err == nil || !strings.Contains(err.Error(), "a: evaluating the folder was stopped: "+want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// I7: where no worker starts, or none speaks as it should, the tree says nothing.
func TestPool_NoWorker(t *testing.T) {
	for name, command := range map[string][]string{"dying": role("dying"), "noise": role("noise"), "none": {"/nonexistent"}} {
		p := pool(t, Config{Command: command})
		spec, err := load.Load(fstest.MapFS{"a/a.cue": {Data: []byte(service)}}, revision, load.WithEvaluator(p.Evaluate))
		if err == nil || load.Errors(err) != nil || len(spec.Teams) > 0 {
			t.Errorf("%s: got %+v, %v", name, spec, err)
		}
	}
}

// A commit that was overtaken gives the processor back.
func TestPool_EndsWithItsContext(t *testing.T) {
	for _, name := range []string{"hang", "mute"} {
		p := pool(t, Config{Command: role(name)})
		ctx, cancel := context.WithCancel(t.Context())
		files := fstest.MapFS{"a/a.cue": {Data: []byte(service)}}
		time.AfterFunc(100*time.Millisecond, cancel)
		began := time.Now()
		_, err := load.LoadContext(ctx, files, revision, load.WithEvaluator(p.Evaluate))
		if !errors.Is(err, context.Canceled) || time.Since(began) > 4*time.Second {
			t.Errorf("%s: got %v after %s", name, err, time.Since(began))
		}
	}
}

// A worker is used again, ends when there is nothing to do, and others come.
func TestPool_Idle(t *testing.T) {
	p := pool(t, Config{Workers: 1, Idle: 50 * time.Millisecond})
	files := fstest.MapFS{"a/a.cue": {Data: []byte(service)}, "b/a.cue": {Data: []byte(service)}}
	for range 2 {
		if _, err := load.Load(files, revision, load.WithEvaluator(p.Evaluate)); err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		var last *process
		if len(p.idle) > 0 {
			last = p.idle[0].process
		}
		p.mu.Unlock()
		if last != nil { // else it has been idle already
			if last.done != 2 {
				t.Errorf("the worker evaluated %d packages", last.done)
			}
			<-last.ended
		}
	}
}

// What a worker can do is what its pipes allow.
func TestWorker_Walls(t *testing.T) {
	keep, err := syscall.Dup(int(os.Stderr.Fd())) // inherited: nothing says otherwise
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(keep)
	for _, l := range levels() {
		cmd := exec.Command("/proc/self/exe")
		cmd.Args, cmd.Env, cmd.SysProcAttr = []string{"bayplan", "probe"}, []string{}, &l.attr
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		cmd.Stdin, err = os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Logf("not on this machine: all but %s: %v", l.name, err)
			continue
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("all but %s: %v\n%s", l.name, err, &said)
		}
		for _, want := range []string{"environment 0\n", "held {Memory: Calls: First:}\n", "file true\n", "socket true\n", "process true\n", "signal true\n", "memory true\n"} {
			if !strings.Contains(said.String(), want) {
				t.Errorf("all but %s: no %q in\n%s", l.name, want, &said)
			}
		}
		for line := range strings.Lines(said.String()) {
			to, open := strings.CutPrefix(line, "open ")
			if open && !strings.HasPrefix(to, "pipe:") && !strings.HasPrefix(to, "/dev/null") && !strings.HasPrefix(to, "anon_inode:[event") && !strings.HasPrefix(to, "/proc/") && to != "\n" {
				t.Errorf("all but %s: a descriptor of %s", l.name, to)
			}
		}
	}
}
