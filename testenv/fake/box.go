package fake

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
	"github.com/bayplan/bayplan/schema"
)

// box is a container. The engine's mu guards it.
type box struct {
	engine  *Engine
	owner   string
	status  agent.Status
	spec    agent.Container
	address string
	life    int
	program Program
	timer   *time.Timer
	log     []line
	// process runs the program's Main; execs run beside it.
	process *process
	execs   map[*process]bool
	files   map[string]string
	serving map[int]http.Handler
	// news is closed and made anew at each change.
	news chan struct{}
}

type line struct {
	at   time.Time
	text string
}

func (e *Engine) newBox(owner string, c agent.Container) *box {
	e.made++
	b := &box{
		engine: e, owner: owner, spec: c, news: make(chan struct{}),
		execs: map[*process]bool{}, files: map[string]string{}, serving: map[int]http.Handler{},
		address: fmt.Sprintf("10.99.%d.%d", e.made/250, e.made%250+1),
		status: agent.Status{
			ID: c.ID, Slot: c.Slot, Digest: c.Digest, Container: fmt.Sprintf("c%06d", e.made),
			Ports: maps.Clone(c.Ports),
		},
	}
	if b.status.Ports == nil {
		b.status.Ports = map[string]int{}
	}
	e.boxes[owner+" "+c.ID] = b
	return b
}

// start begins a life.
func (b *box) start(p Program) {
	b.life++
	b.program = p
	s := &b.status
	s.State, s.Started, s.Address = agent.StateRunning, time.Now(), b.address
	s.Finished, s.ExitCode, s.OOM, s.Error = time.Time{}, 0, false, ""
	for _, text := range p.Lines {
		b.log = append(b.log, line{time.Now(), text})
	}
	if p.Runs > 0 {
		b.after(p.Runs, p.Code, p.OOM)
	}
	if p.Main != nil {
		b.run(p)
	}
	b.tell()
}

// run gives the life's Main its process.
func (b *box) run(p Program) {
	life, out := b.life, &output{box: b}
	b.process = &process{
		box: b, stdin: strings.NewReader(""), stdout: out, stderr: out,
		signals: make(chan string, 1), killed: make(chan struct{}),
	}
	b.process.launch(p.Main, argv(b.spec.Workload)[1:], func(code int) {
		b.engine.locked(func() {
			if b.life == life {
				b.exit(code, false)
			}
		})
	})
}

// argv is what runs: an image's entrypoint is steps.Path.
func argv(w *schema.Workload) []string {
	command := w.Command
	if len(command) == 0 {
		command = []string{steps.Path}
	}
	return slices.Concat(command, w.Args)
}

// after ends this life in a while, if nothing else does.
func (b *box) after(d time.Duration, code int, oom bool) {
	life := b.life
	if b.timer != nil {
		b.timer.Stop()
	}
	b.timer = time.AfterFunc(d, func() {
		b.engine.locked(func() {
			if b.life == life {
				b.exit(code, oom)
			}
		})
	})
}

func (b *box) exit(code int, oom bool) {
	s := &b.status
	if s.State != agent.StateRunning {
		return
	}
	if b.timer != nil {
		b.timer.Stop()
	}
	if oom {
		code = 137
	}
	if b.process != nil {
		b.process.kill()
	}
	for x := range b.execs {
		x.kill()
	}
	b.serving = map[int]http.Handler{}
	s.State, s.Finished, s.ExitCode, s.OOM, s.Address = agent.StateExited, time.Now(), code, oom, ""
	b.tell()
}

// signal asks the program to end.
func (b *box) signal(name string) {
	switch {
	case b.program.Main != nil:
		b.process.signal(name)
	case b.program.Deaf:
	case b.program.Drains > 0:
		b.after(b.program.Drains, 0, false)
	default:
		b.exit(0, false)
	}
}

// handler answers on a port of the container; nil where nothing listens.
func (b *box) handler(port int) http.Handler {
	switch {
	case b.status.State != agent.StateRunning || time.Since(b.status.Started) < b.program.Boots:
		return nil
	case b.program.Main != nil:
		return b.serving[port]
	case b.program.Serve != nil:
		return b.program.Serve
	}
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
}

// tellLog wakes who follows the log.
func (b *box) tellLog() {
	close(b.news)
	b.news = make(chan struct{})
}

// tell wakes all who wait for this container.
func (b *box) tell() {
	b.tellLog()
	for w := range b.engine.watchers {
		if w.owner == b.owner {
			w.tell(b.status.ID)
		}
	}
}

func (b *box) print(o agent.LogOptions, from int) []byte {
	var out bytes.Buffer
	for _, l := range b.log[from:] {
		if l.at.Before(o.Since) {
			continue
		}
		if o.Timestamps {
			out.WriteString(l.at.UTC().Format(time.RFC3339Nano) + " ")
		}
		out.WriteString(l.text + "\n")
	}
	return out.Bytes()
}
