package runtimetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
)

func execStderr(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	var out, errs bytes.Buffer
	code, err := r.Exec(r.ctx, c.ID, agent.Exec{Command: []string{steps.Path, "echo", "out", "complain", "err", "exit", "2"}, Stdout: &out, Stderr: &errs})
	if err != nil || code != 2 || out.String() != "out\n" || errs.String() != "err\n" {
		r.Errorf("%d, %v, %q, %q", code, err, out.String(), errs.String())
	}
}

// execTerminal types a line, so that the size has arrived when it is asked for.
func execTerminal(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	resize := make(chan agent.Size, 1)
	resize <- agent.Size{Rows: 33, Cols: 99}
	var out bytes.Buffer
	code, err := r.Exec(r.ctx, c.ID, agent.Exec{Command: []string{steps.Path, "terminal"}, TTY: true, Stdout: &out, Resize: resize})
	if err != nil || code != 0 || !strings.HasPrefix(out.String(), "terminal ") {
		r.Errorf("%d, %v, %q", code, err, out.String())
	}
}

// execOfFormer: a step's command that an agent left behind as it was killed is
// ended before the step is tried again by the next one, whatever that knows of it.
func execOfFormer(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	listen := []string{steps.Path, "serve", "7777", "echo", "begin"}
	step := func(rt agent.Runtime, then []string, out io.Writer) (int, error) {
		ctx, cancel := context.WithCancel(r.ctx)
		defer cancel()
		w := &lookout{text: "begin\n", found: func() {}}
		if out == nil { // the agent dies as it has begun
			w.found, out = cancel, w
		}
		return rt.Exec(ctx, c.ID, agent.Exec{Command: append(listen, then...), Stdout: out, Single: true, Series: "step"})
	}
	if _, err := step(r.Runtime, []string{"ignore", "sleep"}, nil); !errors.Is(err, context.Canceled) {
		r.Fatalf("the first go ended with %v", err)
	}
	var out bytes.Buffer
	next := r.Engine.Runtime(r.T, r.node)
	if code, err := step(next, []string{"exit", "0"}, &out); code != 0 || err != nil || out.String() != "begin\n" {
		r.Errorf("the second go, beside the first: %d, %v, %q", code, err, out.String())
	}
}
