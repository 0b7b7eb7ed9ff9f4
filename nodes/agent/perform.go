package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/bayplan/bayplan/nodes"
)

// enter is the one way into the node's state: something happened, what now?
func (a *Agent) enter(in Input) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.step(in)
}

// step asks Step and does as it says; mu is held.
func (a *Agent) step(in Input) {
	if a.ctx == nil || a.ctx.Err() != nil {
		return // what ends now ends because the agent does, and says nothing
	}
	in.Local, in.Orders, in.Deletions = a.local, a.held.Orders, a.held.Deletions
	in.Now, in.Wall = a.clock.read()
	in.Lease, in.Policy = a.leaseEnd(in.Now), a.cfg.Policy
	out := Step(in)
	for _, act := range out.Actions {
		a.begin(act)
	}
	if out.Changed {
		a.shown = out.Instances
		poke(a.news)
		a.publish()
	}
	if out.Durable {
		poke(a.durable)
	}
	if out.List {
		poke(a.relist)
	}
	a.depends(out.Leased)
	if wait := out.Wake.Sub(in.Now); !out.Wake.IsZero() {
		if out.Leased {
			wait = min(wait, leaseLook)
		}
		a.wake.Reset(wait)
	}
}

// publish says that the Report changed; mu is held.
func (a *Agent) publish() {
	a.describe()
	poke(a.changed)
}

var (
	errCancelled = errors.New("no longer wanted")
	errTimeout   = errors.New("timed out")
)

// key names an action that can be cancelled.
func key(act Action) string {
	if act.Image != "" {
		return "image " + act.Image
	}
	return act.ID
}

func cancellable(v Verb) bool { return v == Pull || v == Start || v == Perform }

// begin gives an action its goroutine; mu is held.
func (a *Agent) begin(act Action) {
	k := key(act)
	if act.Verb == Cancel {
		if cancel := a.cancels[k]; cancel != nil {
			cancel(errCancelled)
		}
		return
	}
	ctx, cancel := context.WithCancelCause(a.ctx)
	if cancellable(act.Verb) {
		a.cancels[k] = cancel
	}
	a.acts.Go(func() {
		defer cancel(nil)
		a.end(act, k, a.perform(ctx, act))
	})
}

// end takes in how an action ended.
func (a *Agent) end(act Action, k string, r Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if cancellable(act.Verb) {
		delete(a.cancels, k)
	}
	a.step(Input{Results: []Result{r}})
	if act.Verb == Start || act.Verb == Stop || act.Verb == Remove {
		poke(a.relist) // the engine's events about it came while it was under way
	}
}

// perform does one action and tells how it ended. A panic in a runtime is that
// action's failure and nobody else's.
func (a *Agent) perform(ctx context.Context, act Action) (r Result) {
	ctx, cancel := context.WithTimeoutCause(ctx, act.Timeout, errTimeout)
	defer cancel()
	r = Result{Verb: act.Verb, ID: act.ID, Image: act.Image, Life: act.Status.Started}
	ctx, done := a.tel.begin(ctx, a.cfg.Node, act)
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		return a.do(ctx, act, &r)
	}()
	if err != nil {
		r.Failure = failureOf(ctx, act, err)
		r.Failure.Text = nodes.CutText(r.Failure.Text)
		r.Cancelled = context.Cause(ctx) == errCancelled
	}
	done(err)
	return r
}

func (a *Agent) do(ctx context.Context, act Action, r *Result) error {
	switch act.Verb {
	case Pull:
		defer a.followPull(act.Image)()
		return a.runtime.Pull(ctx, act.Image)
	case Start:
		status, err := a.runtime.Start(ctx, a.containerOf(act.Order))
		if err == nil {
			r.Status = &status
		}
		return err
	case Stop:
		return a.runtime.Stop(ctx, act.ID, act.Signal, act.Grace)
	case Remove:
		return a.remove(ctx, act, r)
	case Erase:
		return a.runtime.RemoveVolumes(ctx, act.Slot)
	case Note:
		return a.keep()
	case Perform:
		r.Outcome = a.prober.perform(ctx, act)
		return nil
	case Quote:
		r.Lines = a.quote(ctx, act)
		return nil
	case Tail:
		r.Outcome = a.tail(ctx, act)
		return nil
	default:
		return a.prober.probe(ctx, act)
	}
}

// containerOf is what the runtime is to run for an order, now.
func (a *Agent) containerOf(o *nodes.Order) Container {
	c := containerOf(o, a.cfg.Node, a.cfg.Address)
	c.Lease = a.leaseOf(o)
	return c
}

// remove runs what is to run last, once; that it fails is told, and holds nothing
// up.
func (a *Agent) remove(ctx context.Context, act Action, r *Result) error {
	if o := act.Order; o != nil && o.Workload != nil {
		if err := a.runtime.Finish(ctx, a.containerOf(o)); err != nil {
			a.log.Warn("an instance's post-stop", "slot", o.Slot.String(), "err", err)
			r.Ending = &nodes.Failure{Code: nodes.PostStopFailed, Text: nodes.CutText(err.Error()), Log: a.lastWords(ctx, o)}
		}
	}
	if o := act.Order; o != nil && o.Workload != nil {
		if err := a.partings.part(ctx, a.runtime, o); err != nil {
			a.log.Warn("an attempt's log is not kept", "slot", o.Slot.String(), "err", err)
		}
	}
	return a.runtime.Remove(ctx, act.ID)
}

// lastWords is the end of what an order's post-stop wrote.
func (a *Agent) lastWords(ctx context.Context, o *nodes.Order) string {
	out := &last{}
	err := a.runtime.Logs(ctx, o.ID+"+"+o.Workload.PostStop.Name, LogOptions{Tail: quoteLines}, out)
	if err != nil && len(out.buf) == 0 {
		return ""
	}
	return out.text()
}

// failureOf makes data of an error, for one whom the runtime made none for.
func failureOf(ctx context.Context, act Action, err error) *nodes.Failure {
	if e, ok := errors.AsType[*Error](err); ok {
		f := e.Failure
		return &f
	}
	code, text := nodes.EngineDown, err.Error()
	switch act.Verb {
	case Pull:
		code = nodes.PullFailed
	case Start:
		code = nodes.StartFailed
	case Probe:
		code = nodes.HealthFailing
	case Erase:
		code = nodes.VolumeUnavailable
	}
	if context.Cause(ctx) == errTimeout && act.Verb != Probe {
		text = fmt.Sprintf("no end to the %s within %s", act.Verb, act.Timeout)
		if act.Verb == Start {
			code = nodes.EngineDown
		}
	}
	return &nodes.Failure{Code: code, Text: text}
}
