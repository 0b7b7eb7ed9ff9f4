package fake

import (
	"bytes"
	"fmt"
	"maps"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
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
	b.tell()
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
	s.State, s.Finished, s.ExitCode, s.OOM, s.Address = agent.StateExited, time.Now(), code, oom, ""
	b.tell()
}

// signal asks the program to end.
func (b *box) signal() {
	switch {
	case b.program.Deaf:
	case b.program.Drains > 0:
		b.after(b.program.Drains, 0, false)
	default:
		b.exit(0, false)
	}
}

// listens is whether connections are answered.
func (b *box) listens() bool {
	return b.status.State == agent.StateRunning && time.Since(b.status.Started) >= b.program.Boots
}

// tell wakes all who wait for this container.
func (b *box) tell() {
	close(b.news)
	b.news = make(chan struct{})
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
