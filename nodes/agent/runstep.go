package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// tailLines is how many of a container's last lines are read for an outcome.
const tailLines = 20

// quoteLines is how many lines a failure tells.
const quoteLines = 5

// perform does a step in an instance, or asks one, and tells what came of it.
func (p prober) perform(ctx context.Context, act Action) *nodes.Outcome {
	step, out := act.Order.Step, &last{}
	o := &nodes.Outcome{}
	err := error(nil)
	switch {
	case step.Exec != nil && len(step.Exec.Command) > 0:
		o.ExitCode, err = p.runtime.Exec(ctx, step.On, Exec{Command: step.Exec.Command, Stdout: out, Stderr: out, Single: true, Series: "step"})
		if err == nil && o.ExitCode != 0 {
			err = fmt.Errorf("%s exited with code %d", step.Exec.Command[0], o.ExitCode)
		}
	case step.HTTP != nil:
		err = p.reach(act, step.HTTP.Port, func(at string) error { return p.get(ctx, at, step.HTTP.Path) })
	case step.TCP != nil:
		err = p.reach(act, step.TCP.Port, func(at string) error { return p.connect(ctx, at) })
	default:
		err = fmt.Errorf("the step asks for nothing")
	}
	o.Passed, o.Output = err == nil, out.text()
	switch {
	case err != nil && ctx.Err() != nil:
		o.Text = "did not end within " + time.Duration(step.Timeout).String()
	case err != nil:
		o.Text = nodes.CutText(err.Error())
	}
	return o
}

func (p prober) reach(act Action, port string, ask func(at string) error) error {
	at, err := p.target(Action{Order: act.Target, Status: act.Status}, port)
	if err != nil {
		return err
	}
	return ask(at)
}

// tail is the outcome of a step's own container, which has ended, with the end of
// its log. A log that cannot be read takes nothing from the outcome.
func (a *Agent) tail(ctx context.Context, act Action) *nodes.Outcome {
	out := &last{}
	err := a.runtime.Logs(ctx, act.ID, LogOptions{Tail: tailLines}, out)
	o := ranOut(&act.Status, act.Halted, act.Order.Step.Timeout.D())
	if o.Output = out.text(); err != nil && o.Output == "" {
		o.Output = nodes.CutOutput("its log cannot be read: " + err.Error())
	}
	return &o
}

// quote reads the last lines that the container wrote in its present or last
// life; of a group whose life another part has ended, that part's. A log that
// cannot be read says nothing.
func (a *Agent) quote(ctx context.Context, act Action) string {
	out, id := &last{}, act.ID
	if act.Status.Part != "" {
		id += "+" + act.Status.Part
	}
	err := a.runtime.Logs(ctx, id, LogOptions{Tail: quoteLines, Since: act.Status.Started}, out)
	if err != nil && len(out.buf) == 0 {
		return ""
	}
	return nodes.CutOutput(string(out.buf))
}

// last keeps the end of what is written to it.
type last struct{ buf []byte }

func (w *last) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p[max(0, len(p)-2*nodes.MaxOutput):]...)
	w.buf = w.buf[max(0, len(w.buf)-2*nodes.MaxOutput):]
	return len(p), nil
}

func (w *last) text() string { return nodes.CutOutput(string(w.buf)) }
