//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
)

func TestLife_RunsToItsEnd(t *testing.T) {
	for _, init := range []bool{true, false} {
		r := newRig(t, "exit", "7")
		r.cfg.Init = init
		if e, _ := r.finish(); e.Code != 7 || e.Life != 1 || e.OOM {
			t.Errorf("init %v: %+v", init, e)
		}
	}
}

func TestLife_StopsBySignal(t *testing.T) {
	for _, init := range []bool{true, false} {
		r := newRig(t, "sleep")
		r.cfg.Init = init
		r.start()
		r.awaitOutput("ready")
		if e := r.stop("SIGTERM", patience); e.Code != 0 || r.output() != "ready\nterminated\n" {
			t.Errorf("init %v: %+v %q", init, e, r.output())
		}
	}
}

func TestLife_KilledAfterItsGrace(t *testing.T) {
	r := newRig(t, "ignore")
	r.start()
	r.awaitOutput("ready")
	if e := r.stop("TERM", 50*time.Millisecond); e.Code != 137 || e.OOM {
		t.Errorf("%+v", e)
	}
}

func TestLife_WaitIsAnsweredAtTheEnd(t *testing.T) {
	r := newRig(t, "sleep")
	s := r.start()
	c := r.ask(bundle.Request{Op: bundle.OpWait})
	r.awaitOutput("ready")
	r.stop("SIGTERM", patience)
	if e := r.exit(c); e.Life != s.Life || e.At.Before(s.At) {
		t.Errorf("%+v after %+v", e, s)
	}
}

func TestLife_ProgramsThatCannotRun(t *testing.T) {
	for _, init := range []bool{true, false} {
		for program, want := range map[string]string{
			"nothing": "no such program", "/bin/none": "no such program", "/bin/text": "is missing", "/bin/probe/x": "no such program",
			"/bin/file": "may not be executed", "file": "may not be executed", "/bin": "may not be executed",
			"/bin/junk": "no program for this machine", "junk": "no program for this machine",
		} {
			r := newRig(t)
			r.cfg.Init = init
			r.cfg.Args = []string{program}
			got := r.refused()
			if got.Kind != bundle.TroubleProgram || !strings.Contains(got.Text, want) || !strings.Contains(got.Text, program) {
				t.Errorf("init %v: %s: %+v", init, program, got)
			}
		}
	}
}

func TestLife_RequestsThatCannotBeMet(t *testing.T) {
	for name, change := range map[string]func(*bundle.Config){
		"user: user \"nobody\"":    func(c *bundle.Config) { c.User = "nobody" },
		"user: user \"app:none\"":  func(c *bundle.Config) { c.User = "app:none" },
		"config: there is no pro":  func(c *bundle.Config) { c.Args = nil },
		"config: a volume cannot":  func(c *bundle.Config) { c.Mounts = []bundle.Mount{{Source: "/tmp", Target: "/"}} },
		"config: what is to be mo": func(c *bundle.Config) { c.Mounts = []bundle.Mount{{Source: "/nowhere", Target: "/x"}} },
		"config: a limit of 10000": func(c *bundle.Config) { c.Resources.Memory = 100_000 },
		"config: unable to start ": func(c *bundle.Config) { c.Mounts = []bundle.Mount{{Target: "/proc/mine"}} },
		"config: unable to start":  func(c *bundle.Config) { c.Mounts = []bundle.Mount{{Target: "/bin/probe/x"}} },
		"config: the working dire": func(c *bundle.Config) { c.Workdir = "/bin/probe" },
		"node: a layer of the ima": func(c *bundle.Config) { c.Layers = []string{"/nowhere"} },
	} {
		r := newRig(t, "exit", "0")
		change(&r.cfg)
		t.Log(name)
		if got := r.refused(); !strings.HasPrefix(string(got.Kind)+": "+got.Text, name) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestLife_UsersAndTheirSurroundings(t *testing.T) {
	for user, want := range map[string]string{
		"": "0 0 [] / /root box", "app": "1000 1000 [2000] / /home/app box", "1000": "1000 1000 [2000] / /home/app box",
		"app:root": "1000 0 [] / /home/app box", "77:88": "77 88 [] / / box", "77": "77 0 [] / / box",
	} {
		r := newRig(t, "who")
		r.cfg.User = user
		if _, out := r.finish(); out != want+"\n" {
			t.Errorf("user %q: %q, want %q", user, out, want)
		}
	}
	r := newRig(t, "who")
	r.cfg.Workdir, r.cfg.Env = "/made/for/it", append(r.cfg.Env, "HOME=/x", "HOME=/y")
	if _, out := r.finish(); out != "0 0 [] /made/for/it /y box\n" {
		t.Errorf("%q", out)
	}
}

func TestLife_UserTablesThatAreNone(t *testing.T) {
	layer := t.TempDir()
	if err := os.MkdirAll(filepath.Join(layer, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(layer, "etc", "passwd"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/group", filepath.Join(layer, "etc", "group")); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "who")
	r.cfg.Layers = append(r.cfg.Layers, layer)
	r.cfg.User = "5:6"
	if _, out := r.finish(); out != "5 6 [] / / box\n" {
		t.Errorf("%q", out)
	}
}

// What an image has in a place where it cannot be is told as the image's fault.
func TestLife_ImagesThatCannotBeStartedOver(t *testing.T) {
	link := func(name string) func(string) error {
		return func(layer string) error { return os.Symlink("/tmp", filepath.Join(layer, name)) }
	}
	table := func(name string, content []byte) func(string) error {
		return func(layer string) error {
			return errors.Join(os.Mkdir(filepath.Join(layer, "etc"), 0o755), os.WriteFile(filepath.Join(layer, "etc", name), content, 0o644))
		}
	}
	groups := []byte("app:x:2000:\n")
	for i := range 65_537 {
		groups = fmt.Appendf(groups, "g%d:x:%d:app\n", i, 3000+i)
	}
	for want, spoil := range map[string]func(layer string) error{
		`the image has something else where the folder /proc is to be: filesystem`: link("proc"),
		`mounting /dev: the image has something else where the folder /dev is to be: not a`: func(layer string) error {
			return os.WriteFile(filepath.Join(layer, "dev"), nil, 0o644)
		},
		`user "app": it is in 65537 groups of the container's /etc/group`:         table("group", groups),
		`user "app": a line of the container's /etc/passwd or /etc/group is long`: table("passwd", bytes.Repeat([]byte("x"), 1<<20)),
	} {
		layer := t.TempDir()
		if err := spoil(layer); err != nil {
			t.Fatal(err)
		}
		r := newRig(t, "exit", "0")
		r.cfg.Layers, r.cfg.User = append(r.cfg.Layers, layer), "app"
		if got := r.refused(); !strings.HasPrefix(got.Text, want) || got.Kind == bundle.TroubleNode {
			t.Errorf("%s: %+v", want, got)
		}
	}
}

func TestLife_KeepsItsLayerAndCountsItsLives(t *testing.T) {
	r := newRig(t, "write", "/tmp/mark")
	layer := t.TempDir()
	r.must(os.MkdirAll(filepath.Join(layer, "tmp"), 0o755))
	r.must(os.WriteFile(filepath.Join(layer, "tmp", "mark"), nil, 0o666))
	r.cfg.Layers = append(r.cfg.Layers, layer)
	r.finish()
	r.cfg.Args = []string{"probe", "read", "/tmp/mark"}
	if e, out := r.finish(); e.Life != 2 || out != "done\n1" {
		t.Errorf("%+v %q", e, out)
	}
	if b, err := os.ReadFile(filepath.Join(layer, "tmp", "mark")); len(b) > 0 || err != nil {
		t.Errorf("the layer was written to: %q, %v", b, err)
	}
}

func TestLife_OneMonitorAtATime(t *testing.T) {
	r := newRig(t, "sleep")
	r.start()
	process, ready, err := launch.Start(built.monitor, r.folder)
	if err != nil || process != nil || ready.Trouble == nil || !strings.Contains(ready.Trouble.Text, "has a monitor already") {
		t.Errorf("%v %+v %v", process, ready, err)
	}
	r.awaitOutput("ready")
	if e := r.stop("SIGTERM", patience); e.Code != 0 {
		t.Errorf("%+v", e)
	}
}

func TestLife_ManyLayers(t *testing.T) {
	r := newRig(t, "links", "/many")
	r.cfg.Layers = nil
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 20))
	for i := range 200 {
		layer := filepath.Join(dir, fmt.Sprint(i), strings.Repeat("x", 60))
		r.must(os.MkdirAll(filepath.Join(layer, "many"), 0o755))
		r.must(os.WriteFile(filepath.Join(layer, "many", fmt.Sprint(i)), nil, 0o644))
		r.cfg.Layers = append(r.cfg.Layers, layer)
	}
	r.cfg.Layers = append(r.cfg.Layers, built.layer)
	if _, out := r.finish(); strings.Count(out, "\n") != 200 {
		t.Errorf("%q", out)
	}
}

func TestLife_HigherLayersHideLowerOnes(t *testing.T) {
	r := newRig(t, "read", "/etc/hosts")
	for _, text := range []string{"low", "middle", "high"} {
		layer := t.TempDir()
		r.must(os.Mkdir(filepath.Join(layer, "etc"), 0o755))
		r.must(os.WriteFile(filepath.Join(layer, "etc", "hosts"), []byte(text), 0o644))
		r.cfg.Layers = append(r.cfg.Layers, layer)
	}
	if _, out := r.finish(); out != "high" {
		t.Errorf("%q", out)
	}
	hosts := filepath.Join(t.TempDir(), "hosts")
	r.must(os.WriteFile(hosts, []byte("\nmounted"), 0o644))
	r.cfg.Mounts = []bundle.Mount{{Source: hosts, Target: "/etc/hosts", ReadOnly: true}}
	if _, out := r.finish(); out != "high\nmounted" {
		t.Errorf("%q", out)
	}
}
