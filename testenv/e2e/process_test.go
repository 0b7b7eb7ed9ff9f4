package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// starts runs on a thread that lives as long as the tests: the kernel kills a
// process that asked for it when the thread that forked it ends (prctl(2),
// PR_SET_PDEATHSIG), so tests that are cut off leave nothing behind.
var starts = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})

// process is a program that runs beside the test. What it says is in a file.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	log  string
	gone chan struct{}
}

// spawn starts a program; it is killed with t at the latest.
func spawn(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, log: filepath.Join(t.TempDir(), name+".log"), gone: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stderr = out
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	starts() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() { defer close(p.gone); cmd.Wait() }()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the end of what %s said:\n%s", name, p.tail(15))
		}
	})
	return p
}

// kill is SIGKILL, and returns once it has ended.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.gone
}

// stop is SIGTERM; it wants an end within a minute.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	p.ends()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("%s: signal %s: %v", p.name, s, err)
	}
}

// ends waits for the end and returns the exit code, -1 for a signal's.
func (p *process) ends() int {
	p.t.Helper()
	select {
	case <-p.gone:
	case <-time.After(time.Minute):
		p.t.Fatalf("%s does not end; it said:\n%s", p.name, p.tail(15))
	}
	return p.cmd.ProcessState.ExitCode()
}

// running is whether it has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// said is all that it wrote so far.
func (p *process) said() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Error(err)
	}
	return string(b)
}

func (p *process) tail(lines int) string {
	all := strings.Split(strings.TrimSpace(p.said()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// wantSaid wants each text in what it said.
func (p *process) wantSaid(texts ...string) {
	p.t.Helper()
	wantText(p.t, p.name, p.said(), texts...)
}

// wantText wants each of the texts in what someone reads.
func wantText(t *testing.T, where, read string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(read, text) {
			t.Errorf("%s: want %q in:\n%s", where, text, read)
		}
	}
}
