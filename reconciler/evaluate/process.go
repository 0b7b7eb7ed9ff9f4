package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bayplan/bayplan/schema/load"
)

// process is one worker, from the server's side. It has one caller at a time.
type process struct {
	pipes
	cmd   *exec.Cmd
	close func()
	// memory is its limit, in bytes, and wall how many times its processor time a
	// package may take.
	memory int64
	wall   int
	// held is what the worker said of itself.
	held Held
	// done counts the packages that it has evaluated.
	done int
	// doubt tells that it may have died of what was there before its last package.
	doubt bool
	// cause is why it was killed, where the server did that.
	cause atomic.Pointer[load.Exceeded]
	// ended is closed once the process is gone and all that it said on stderr is
	// in said.
	ended chan struct{}
	said  head
}

// level is how much of what needs the kernel's leave a worker is started with.
type level struct {
	name string
	attr syscall.SysProcAttr
}

// nobody is the user who owns nothing.
const nobody = 65534

// levels are tried in their order, until one is allowed on this machine.
func levels() []level {
	const apart = syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWPID
	bare := level{"no namespaces", syscall.SysProcAttr{}}
	if os.Geteuid() == 0 {
		return []level{
			{"", syscall.SysProcAttr{Cloneflags: apart, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}},
			{"the user root", syscall.SysProcAttr{Cloneflags: apart}},
			{"no namespaces", syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}},
			{"the user root and no namespaces", syscall.SysProcAttr{}},
		}
	}
	return []level{{"", syscall.SysProcAttr{Cloneflags: apart | syscall.CLONE_NEWUSER}}, bare}
}

// start starts a worker and hears its hello.
func start(ctx context.Context, cfg *Config, l *level) (*process, error) {
	p := &process{memory: cfg.Memory, wall: cfg.Wall, ended: make(chan struct{})}
	p.cmd = exec.Command(cfg.Command[0])
	p.cmd.Args = append([]string{"bayplan"}, cfg.Command[1:]...)
	p.cmd.Env, p.cmd.Dir = []string{}, "/"
	attr := l.attr
	attr.Pdeathsig, attr.Setpgid = syscall.SIGKILL, true // Ctrl-C is for the server
	p.cmd.SysProcAttr = &attr
	if err := p.open(cfg.Output); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	timer := time.AfterFunc(startTime, p.kill)
	defer timer.Stop()
	err := p.sendJSON(kindTerms, terms{cfg.Memory})
	if err == nil {
		err = p.receiveJSON(kindHello, &p.held)
	}
	if err == nil && p.held.Memory != "" {
		err = errors.New(p.held.Memory)
	}
	if err != nil {
		p.end()
		return nil, errors.Join(fmt.Errorf("worker: %w %s", err, p.said.line()), ctx.Err())
	}
	return p, nil
}

// startTime is how long a worker may take to say hello: a thousand times what it
// does on a machine that is not busy would be a minute.
const startTime = time.Minute

// open makes the pipes and starts the process. The thread that starts it waits
// for it, too: the kernel kills a child when its parent's thread ends, not its
// process.
func (p *process) open(most int64) error {
	in, toChild, err := os.Pipe()
	if err != nil {
		return err
	}
	fromChild, out, err := os.Pipe()
	if err != nil {
		return errors.Join(err, in.Close(), toChild.Close())
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, out, &p.said
	p.pipes = pipes{in: fromChild, out: toChild, max: most}
	p.close = sync.OnceFunc(func() { toChild.Close(); fromChild.Close() })
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		in.Close()
		out.Close()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in ProcessState
		}
		close(p.ended)
	}()
	if err := <-started; err != nil {
		<-p.ended
		p.close()
		return fmt.Errorf("worker: %w", err)
	}
	return nil
}

func (p *process) kill() { _ = p.cmd.Process.Kill() } // gone already is as good

// stop kills for a reason.
func (p *process) stop(why *load.Exceeded) {
	p.cause.CompareAndSwap(nil, why)
	p.kill()
}

// end kills and waits until the process is gone.
func (p *process) end() {
	p.kill()
	<-p.ended
	p.close()
}

// What one package may ask for.
const (
	maxFolders = 20_000
	maxInput   = 256 << 20
)

// errDied is that the worker ended in the middle of a package.
var errDied = errors.New("the worker died")

// evaluate has one package evaluated. After an error the process is gone.
func (p *process) evaluate(ctx context.Context, one load.Package, read func(string) load.Folder) (answer []byte, err error) {
	overtaken := context.AfterFunc(ctx, p.kill)
	defer overtaken()
	wall := time.Duration(p.wall) * one.Limits.PackageTime
	timer := time.AfterFunc(wall, func() { p.stop(&load.Exceeded{Limit: fmt.Sprintf("more than %s", wall), Passing: true}) })
	defer timer.Stop()
	answer, err = p.converse(one, read)
	if err == nil {
		p.done++
		return answer, nil
	}
	p.end()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, p.verdict(one, err)
}

// converse answers the worker's questions until it has the answer.
func (p *process) converse(one load.Package, read func(string) load.Folder) ([]byte, error) {
	if err := p.sendJSON(kindPackage, one); err != nil {
		return nil, fmt.Errorf("%w: %w", errDied, err)
	}
	input := 0
	for range maxFolders {
		k, body, err := p.receive(kindWant, kindAnswer)
		if errors.Is(err, errFrame) {
			return nil, &load.Exceeded{Limit: fmt.Sprintf("more than %d MiB for what it comes to", p.max>>20)}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrClosed) {
			return nil, fmt.Errorf("%w: %w", errDied, err)
		}
		if err != nil || k == kindAnswer {
			return body, err
		}
		f := read(string(body))
		for i := range f.Files {
			input += len(f.Files[i].Data)
		}
		if input > maxInput {
			return nil, &load.Exceeded{Limit: fmt.Sprintf("more than %d MiB of files", maxInput>>20)}
		}
		if err := p.sendJSON(kindFolder, f); err != nil {
			return nil, fmt.Errorf("%w: %w", errDied, err)
		}
	}
	return nil, &load.Exceeded{Limit: fmt.Sprintf("more than %d folders", maxFolders)}
}

// verdict is what a broken conversation says of the package. The process is gone.
func (p *process) verdict(one load.Package, err error) error {
	if cause := p.cause.Load(); cause != nil {
		return cause
	}
	if !errors.Is(err, errDied) {
		return err
	}
	said := p.said.String()
	switch code := p.cmd.ProcessState.ExitCode(); {
	case code == exitProcessor:
		return &load.Exceeded{Limit: fmt.Sprintf("more than %s of processor time", one.Limits.PackageTime)}
	case strings.Contains(said, "out of memory"), strings.Contains(said, "cannot allocate memory"), p.swollen():
		p.doubt = p.done > 0
		return &load.Exceeded{Limit: fmt.Sprintf("more than %d MiB of memory", p.memory>>20)}
	case strings.Contains(said, "stack exceeds"), strings.Contains(said, "stack overflow"):
		return &load.Exceeded{Limit: "more levels of nesting than there is memory for"}
	}
	p.doubt = p.done > 0
	return &load.Exceeded{Limit: fmt.Sprintf("the evaluator's life (%s) %s", p.cmd.ProcessState, p.said.line()), Passing: true}
}

// swollen tells that the worker had grown near its limit: Go's runtime dies in
// many ways of a page that it does not get.
func (p *process) swollen() bool {
	used, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return ok && used.Maxrss<<10 > p.memory/2
}

// head keeps the beginning of what is written: Go says first what it dies of, and
// then much more.
type head struct {
	mu   sync.Mutex
	text []byte
}

// Write keeps what there is room for.
func (h *head) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, b[:min(len(b), 4096-len(h.text))]...)
	return len(b), nil
}

// String is what was kept.
func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.text)
}

// line is its first line.
func (h *head) line() string {
	first, _, _ := strings.Cut(h.String(), "\n")
	return first
}
