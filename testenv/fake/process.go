package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
)

// Steps is the Program of the contract suite's test image: it does what its
// arguments say.
var Steps = Program{Main: func(m steps.Machine, args []string) int { return steps.Run(m, args) }}

// process is a Main that runs in a container, the container's own or one of
// Exec. Its methods are called by the program; blocking ones never return once
// the process was killed.
type process struct {
	box            *box
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       func() (agent.Size, bool)
	signals        chan string
	ignores        bool
	// killed is closed at the end of the container or of the Exec.
	killed chan struct{}
}

var _ steps.Machine = (*process)(nil)

// launch runs main on a goroutine that ends with it, or with the process, and
// then tells its exit code, unless it was killed.
func (p *process) launch(main func(steps.Machine, []string) int, args []string, ended func(code int)) {
	go func() { ended(main(p, args)) }()
}

// kill ends a process that blocks. The engine's mu is held.
func (p *process) kill() {
	select {
	case <-p.killed:
	default:
		close(p.killed)
	}
}

// signal delivers a signal; a second one before the first is seen is lost. The
// engine's mu is held.
func (p *process) signal(name string) {
	if p.ignores {
		return
	}
	select {
	case p.signals <- name:
	default:
	}
}

func (p *process) Stdin() io.Reader  { return p.stdin }
func (p *process) Stdout() io.Writer { return p.stdout }
func (p *process) Stderr() io.Writer { return p.stderr }

// Getenv finds what the order and the agent set.
func (p *process) Getenv(name string) string {
	if v, ok := p.box.spec.Workload.Env[name]; ok {
		return v
	}
	return p.box.spec.Env[name]
}

// Whoami is root in the root, unless the workload says otherwise.
func (p *process) Whoami() string {
	user, dir := p.box.spec.Workload.User, p.box.spec.Workload.Workdir
	if user == "" {
		user = "0"
	}
	if !strings.Contains(user, ":") {
		user += ":0"
	}
	if dir == "" {
		dir = "/"
	}
	return user + " " + dir
}

func (p *process) Terminal() (rows, cols int, ok bool) {
	if p.terminal == nil {
		return 0, 0, false
	}
	size, ok := p.terminal()
	return int(size.Rows), int(size.Cols), ok
}

// WriteFile writes into the volume that is mounted there, or the container.
func (p *process) WriteFile(name, text string) (err error) {
	p.box.engine.locked(func() {
		files, key, readOnly := p.box.at(name)
		if readOnly {
			err = fmt.Errorf("open %s: read-only file system", name)
			return
		}
		files[key] = text
	})
	return err
}

func (p *process) ReadFile(name string) (text string, err error) {
	p.box.engine.locked(func() {
		files, key, _ := p.box.at(name)
		var ok bool
		if text, ok = files[key]; !ok {
			err = fmt.Errorf("open %s: no such file or directory", name)
		}
	})
	return text, err
}

// at is where a path of the container is kept. Volumes are named directories
// of the node, each of one slot.
func (b *box) at(name string) (files map[string]string, key string, readOnly bool) {
	name = path.Clean(name)
	for _, v := range slices.Sorted(maps.Keys(b.spec.Workload.Volumes)) {
		volume := b.spec.Workload.Volumes[v]
		if rest, ok := strings.CutPrefix(name, path.Clean(volume.Path)+"/"); ok {
			return b.engine.volume(b.owner + " " + b.spec.Slot.String() + " " + v), rest, volume.ReadOnly
		}
	}
	return b.files, name, false
}

func (e *Engine) volume(name string) map[string]string {
	if e.volumes[name] == nil {
		e.volumes[name] = map[string]string{}
	}
	return e.volumes[name]
}

// Serve answers with the path on the port, for Engine.Dial.
func (p *process) Serve(port int) error {
	p.box.engine.locked(func() {
		p.box.serving[port] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.URL.Path) })
	})
	return nil
}

func (p *process) IgnoreSignals() { p.box.engine.locked(func() { p.ignores = true }) }

func (p *process) AwaitSignal() string {
	select {
	case name := <-p.signals:
		return name
	case <-p.killed:
		runtime.Goexit()
		return ""
	}
}

func (p *process) Exhaust() {
	p.box.engine.locked(func() { p.box.exit(137, true) })
	runtime.Goexit()
}

// Fork has no limit here.
func (p *process) Fork(n int) int { return n }

// output keeps what a process writes, a line at a time.
type output struct {
	box  *box
	part bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.box.engine.locked(func() {
		o.part.Write(b)
		for {
			text, rest, ok := bytes.Cut(o.part.Bytes(), []byte("\n"))
			if !ok {
				break
			}
			o.box.log = append(o.box.log, line{time.Now(), string(text)})
			o.part = *bytes.NewBuffer(bytes.Clone(rest))
		}
		o.box.tellLog()
	})
	return len(b), nil
}

var errNotRunning = errors.New("the container does not run")

// exec runs a command beside the container's program.
func (b *box) exec(ctx context.Context, main func(steps.Machine, []string) int, x agent.Exec) (int, error) {
	p := &process{box: b, stdin: x.Stdin, stdout: x.Stdout, stderr: x.Stderr, signals: make(chan string, 1), killed: make(chan struct{})}
	if p.stderr == nil || x.TTY {
		p.stderr = p.stdout
	}
	if x.TTY {
		p.terminal = terminal(ctx, x.Resize)
	}
	running := false
	b.engine.locked(func() {
		if running = b.status.State == agent.StateRunning; running {
			b.execs[p] = true
		}
	})
	if !running {
		return 0, errNotRunning
	}
	defer b.engine.locked(func() { p.kill(); delete(b.execs, p) })
	ended := make(chan int, 1)
	p.launch(main, x.Command[1:], func(code int) { ended <- code })
	select {
	case code := <-ended:
		return code, nil
	case <-p.killed:
		return 137, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// terminal waits for a terminal's first size where one is to come.
func terminal(ctx context.Context, sizes <-chan agent.Size) func() (agent.Size, bool) {
	return func() (agent.Size, bool) {
		if sizes == nil {
			return agent.Size{Rows: 24, Cols: 80}, true
		}
		select {
		case s := <-sizes:
			return s, true
		case <-ctx.Done():
			return agent.Size{}, true
		}
	}
}
