package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// binary is bayplan, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bayplan-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bayplan")
	out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "github.com/bayplan/bayplan/cmd/bayplan").CombinedOutput()
	if err != nil {
		err = errors.New(string(out))
	}
	return path, err
})

func TestMain(m *testing.M) {
	if dir := os.Getenv(etcdFolder); dir != "" {
		runEtcd(dir, os.Getenv(etcdAddress))
	}
	code := m.Run()
	if os.Getenv("BAYPLAN_E2E") != "" {
		if path, err := binary(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

// dev is one `bayplan dev` with a clone of its repository.
type dev struct {
	t     *testing.T
	on    world
	dir   string
	clone string
	image string
	// took is from the start to the sample's health.
	took time.Duration
	cmd  *exec.Cmd
	gone chan error
}

// needs wants the long tests to be asked for, and a machine that has what runs
// containers.
func needs(t *testing.T, on world) {
	t.Helper()
	if os.Getenv("BAYPLAN_E2E") == "" {
		t.Skip("takes minutes; run by: make e2e")
	}
	why := on.missing()
	if why != "" && os.Getenv("BAYPLAN_TEST_ENGINE") == "required" {
		t.Fatal(why)
	}
	if why != "" {
		t.Skip(why)
	}
}

// start runs `bayplan dev` on the Docker Engine in dir until the sample is up; it
// is stopped with t.
func start(t *testing.T, dir string) *dev {
	t.Helper()
	return startOn(t, dockerEngine{}, dir)
}

func startOn(t *testing.T, on world, dir string) *dev {
	t.Helper()
	needs(t, on)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return startAs(t, on, dir, exec.Command(path, "dev", "--dir", dir, "--runtime", on.runtime()))
}

// startAs is startOn by a command of the test's own.
func startAs(t *testing.T, on world, dir string, cmd *exec.Cmd) *dev {
	t.Helper()
	d := &dev{t: t, on: on, dir: dir, clone: filepath.Join(t.TempDir(), "clone"), cmd: cmd, gone: make(chan error, 1)}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stderr = logWriter{t}
	began := time.Now()
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	if !d.said(out, d.cmd, "Next, in another terminal") {
		t.Fatal("bayplan dev ended before the sample was up")
	}
	d.took = time.Since(began)
	d.image = d.shell(`. "$D/env" && echo "$BAYPLAN_DEMO_IMAGE"`)
	d.shell(`git clone -q "$D/repo.git" ` + d.clone)
	d.shell(`cd ` + d.clone + ` && git config user.name e2e && git config user.email e2e@example.invalid`)
	return d
}

// said reads what cmd says to the line with text, and to its end in the
// background.
func (d *dev) said(out io.Reader, cmd *exec.Cmd, text string) bool {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		d.t.Log(lines.Text())
		if strings.Contains(lines.Text(), text) {
			go func() {
				for lines.Scan() {
				}
				d.gone <- cmd.Wait()
			}()
			return true
		}
	}
	d.gone <- cmd.Wait()
	return false
}

// stop is Ctrl-C; it wants everything gone.
func (d *dev) stop() {
	if d.cmd == nil {
		return
	}
	nothing := d.on.leaves(d.t, d)
	d.cmd.Process.Signal(os.Interrupt)
	d.cmd = nil
	select {
	case err := <-d.gone:
		if err != nil {
			d.t.Errorf("bayplan dev ended with %v", err)
		}
	case <-time.After(time.Minute):
		d.t.Error("bayplan dev does not end")
		return
	}
	nothing()
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// shell runs a script with $D set and everything that D/env exports.
func (d *dev) shell(script string) string {
	d.t.Helper()
	out, code := d.try(script)
	if code != 0 {
		d.t.Fatalf("%s: exit code %d\n%s", script, code, out)
	}
	return out
}

// try is shell with the exit code; standard error goes to the test's log.
func (d *dev) try(script string) (string, int) {
	d.t.Helper()
	cmd := exec.Command("bash", "-c", `. "$D/env"; `+script)
	cmd.Env = append(os.Environ(), "D="+d.dir)
	cmd.Stderr = logWriter{d.t}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(string(out)), cmd.ProcessState.ExitCode()
}

func (d *dev) status() status.Status {
	d.t.Helper()
	var s status.Status
	if err := json.Unmarshal([]byte(d.shell("bayplan status -o json")), &s); err != nil {
		d.t.Fatal(err)
	}
	return s
}

// push changes the clone by a script, commits and pushes; it returns the commit.
func (d *dev) push(script string) string {
	d.t.Helper()
	return d.shell("cd " + d.clone + " && " + script + " && git add -A && git commit -q -m '" + strings.ReplaceAll(script, "'", "") + "' && git push -q && git rev-parse HEAD")
}

// await waits for the end of a commit and returns its outcome.
func (d *dev) await(commit string) reconciler.Outcome {
	d.t.Helper()
	d.try("bayplan status --wait --revision " + commit + " --timeout 120s >/dev/null")
	s := d.status()
	for _, r := range s.Commits() {
		if r.Commit == commit {
			return r.Outcome
		}
	}
	d.t.Fatalf("the status does not know commit %s", commit)
	return ""
}

// containers are this cluster's: the identity to the slot and what tells this
// life from a former one.
func (d *dev) containers() map[string]string {
	d.t.Helper()
	return d.on.containers(d.t, d)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}

// kill ends a child of dev with SIGKILL and waits until another took its place.
func (d *dev) kill(name string) {
	d.t.Helper()
	path := filepath.Join(d.dir, "pid", name)
	old := d.shell("cat " + path)
	d.shell("kill -KILL " + old)
	d.eventually("another "+name, func() bool {
		b, err := os.ReadFile(path)
		return err == nil && strings.TrimSpace(string(b)) != old
	})
}

// eventually asks again and again for a minute.
func (d *dev) eventually(what string, holds func() bool) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			d.t.Fatalf("no %s", what)
		case <-tick.C:
		}
	}
}

// alive is whether the process still runs; one that merely waits to be reaped
// does not, unless threads of it are still on their way out.
func alive(pid int) bool {
	proc := "/proc/" + strconv.Itoa(pid)
	b, err := os.ReadFile(proc + "/stat")
	_, after, _ := strings.Cut(string(b), ") ")
	threads, _ := os.ReadDir(proc + "/task")
	return err == nil && (!strings.HasPrefix(after, "Z") || len(threads) > 1)
}
