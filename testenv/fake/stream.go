package fake

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
)

// watcher is a subscription. It holds so many events; more are a gap.
type watcher struct {
	owner  string
	events chan string
}

const watcherRoom = 64

func (w *watcher) tell(id string) {
	select {
	case w.events <- id:
	default:
		for len(w.events) > 0 {
			<-w.events
		}
		w.events <- ""
	}
}

// Watch tells of changes until ctx ends or the engine goes down.
func (r *Runtime) Watch(ctx context.Context, changed func(id string)) error {
	e := r.engine
	if err := e.enter(ctx, "watch", ""); err != nil {
		return err
	}
	w := &watcher{owner: r.owner, events: make(chan string, watcherRoom)}
	var down chan struct{}
	e.locked(func() { e.watchers[w], down = true, e.down })
	defer e.locked(func() { delete(e.watchers, w) })
	changed("")
	for {
		select {
		case id := <-w.events:
			changed(id)
		case <-down:
			return failure(nodes.EngineDown, "the engine hung up")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Logs writes what the container wrote.
func (r *Runtime) Logs(ctx context.Context, id string, o agent.LogOptions, w io.Writer) error {
	e := r.engine
	if err := e.enter(ctx, "logs", id); err != nil {
		return err
	}
	b := r.get(id)
	if b == nil {
		return fmt.Errorf("logs of %s: %w", id, errGone)
	}
	from := 0
	e.locked(func() {
		if o.Tail >= 0 {
			from = max(0, len(b.log)-o.Tail)
		}
	})
	for {
		var text []byte
		var news chan struct{}
		var ended bool
		e.locked(func() {
			text, news, ended = b.print(o, from), b.news, b.status.State != agent.StateRunning
			from = len(b.log)
		})
		if _, err := w.Write(text); err != nil {
			return err
		}
		if !o.Follow || ended {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Exec runs a command as the program's script says.
func (r *Runtime) Exec(ctx context.Context, id string, x agent.Exec) (int, error) {
	e := r.engine
	if err := e.enter(ctx, "exec", id); err != nil {
		return 0, err
	}
	b := r.get(id)
	if b == nil {
		return 0, fmt.Errorf("exec in %s: %w", id, errGone)
	}
	if x.Stdin == nil {
		x.Stdin = strings.NewReader("")
	}
	if x.Stdout == nil {
		x.Stdout = io.Discard
	}
	var program Program
	e.locked(func() { program = b.program })
	code, err := b.exec(ctx, program.execs(x.Command), x)
	if err != nil {
		return 0, fmt.Errorf("exec in %s: %w", id, err)
	}
	return code, nil
}

// execs is what runs a command beside the program.
func (p Program) execs(command []string) func(steps.Machine, []string) int {
	run := p.Exec
	switch {
	case p.Main != nil && command[0] == steps.Path:
		return p.Main
	case p.Main != nil:
		return func(steps.Machine, []string) int { return 127 }
	case run == nil:
		run = plainExec
	}
	return func(m steps.Machine, _ []string) int { return run(command, m.Stdin(), m.Stdout()) }
}

func plainExec(command []string, stdin io.Reader, stdout io.Writer) int {
	switch command[0] {
	case "true":
		return 0
	case "echo":
		fmt.Fprintln(stdout, strings.Join(command[1:], " "))
		return 0
	case "cat":
		io.Copy(stdout, stdin)
		return 0
	case "false":
		return 1
	}
	return 127
}

// Dial connects to a container by its own address or by a published port, as
// agent.Config.Dial wants it.
func (e *Engine) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var serve http.Handler
	e.locked(func() {
		for _, b := range e.boxes {
			if port, ok := b.reachedAt(address); ok && serve == nil {
				serve = b.handler(port)
			}
		}
	})
	if serve == nil {
		return nil, fmt.Errorf("dial %s: connection refused", address)
	}
	near, far := net.Pipe()
	go http.Serve(&single{conn: far, done: make(chan struct{})}, serve)
	return near, nil
}

// reachedAt is the container's port that an address leads to.
func (b *box) reachedAt(address string) (int, bool) {
	host, port, _ := net.SplitHostPort(address)
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0, false
	}
	if host == b.address {
		return n, true
	}
	for name, p := range b.spec.Workload.Ports {
		if !strings.HasPrefix(host, "10.99.") && n == b.status.Ports[name] {
			return p.Container, true
		}
	}
	return 0, false
}

// single is a listener for one connection; it ends with it.
type single struct {
	conn net.Conn
	once sync.Once
	done chan struct{}
}

// Accept yields the connection once, and ends when that was closed.
func (l *single) Accept() (net.Conn, error) {
	var c net.Conn
	l.once.Do(func() { c = &closing{Conn: l.conn, l: l} })
	if c != nil {
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }

type closing struct {
	net.Conn
	l    *single
	once sync.Once
}

func (c *closing) Close() error {
	c.once.Do(func() { close(c.l.done) })
	return c.Conn.Close()
}
