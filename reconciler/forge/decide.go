package forge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// plan plans one and tells the forge.
func (r *Review) plan(ctx context.Context, number int, want planned) error {
	ctx, cancel := context.WithTimeout(ctx, planTime)
	defer cancel()
	if r.told[number].head != want.head {
		if err := r.say(ctx, number, want.head, Pending, "planning"); err != nil {
			return err
		}
	}
	d := r.decide(ctx, number)
	if err := r.publish(ctx, number, &d); err != nil {
		return err
	}
	if err := r.say(ctx, number, want.head, d.state, d.text); err != nil {
		return err
	}
	r.Log.Info("pull request planned", "number", number, "rev", want.head, "state", string(d.state), "text", d.text)
	if d.state != Error {
		r.planned[number] = want
	}
	return nil
}

// publish writes the comment, and remembers the plan that people read there from
// now on: what they approve later is that.
func (r *Review) publish(ctx context.Context, number int, d *decision) error {
	if d.comment == "" {
		return nil
	}
	delete(r.shown, number) // until it is known to be told
	written, err := r.Host.Comment(ctx, number, Marker(r.Name), d.comment)
	if err == nil && d.plan != nil {
		r.shown[number] = &shown{commit: d.plan.Commit, outline: d.plan.Outline, text: d.text, written: written}
		d.text = r.standing(number, &d.plan.Outline) + d.text
	}
	return err
}

// say sets a pull request's status, unless it is set so.
func (r *Review) say(ctx context.Context, number int, head string, state State, text string) error {
	want := said{head, CommitStatus{"bayplan/" + r.Name + "/plan", state, text}}
	if r.told[number] == want {
		return nil
	}
	if err := r.Host.SetStatus(ctx, head, want.status); err != nil {
		return err
	}
	r.told[number] = want
	return nil
}

// decision is what is told of a pull request; plan is nil where there is none.
type decision struct {
	state   State
	text    string
	comment string
	plan    *status.Preview
}

// decide is the way from a pull request to what is told of it. An Error is the
// server's own trouble, and is tried again.
func (r *Review) decide(ctx context.Context, number int) decision {
	head, fork, err := r.Pulls.Bring(ctx, number)
	if err != nil {
		return decision{state: Error, text: "it cannot be read: " + err.Error()}
	}
	spec, err := r.Load(ctx, head.Files, head.Revision)
	if err != nil {
		errs := linesOf(err)
		if ctx.Err() != nil {
			return decision{state: Error, text: "it took too long"}
		}
		return decision{state: Failure, text: fmt.Sprintf("it does not validate: %s: %s", plural(len(errs), "error"), errs[0]),
			comment: Refused(r.Name, head.Revision.Commit, errs)}
	}
	p, err := r.preview(ctx, head, fork, spec)
	if err != nil {
		return decision{state: Error, text: "it cannot be planned now: " + err.Error()}
	}
	d := decision{state: Success, text: Summary(p), comment: Comment(r.Name, p), plan: p}
	if len(p.Unplaced) > 0 {
		d.state = Failure
	}
	if p.Held != "" {
		d.text = "would be Held: " + p.Held + "; " + d.text
	}
	return d
}

// maxLocated is of how many changes the places are told: no comment has room for
// more.
const maxLocated = 500

// preview compares the head with where it left the branch. Where nothing of that
// evaluates, as on the way to mend it, it is compared with what is in force.
func (r *Review) preview(ctx context.Context, head, fork Text, spec schema.Spec) (*status.Preview, error) {
	base, err := r.Load(ctx, fork.Files, fork.Revision)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	on, note := &base, ""
	switch {
	case err != nil && len(base.Teams) == 0:
		on, fork.Files = nil, nil
		note = fmt.Sprintf("what it stands on, %s, does not validate (%s): it is compared with the cluster as it is", fork.Revision.Short(), linesOf(err)[0])
	case err != nil:
		note = fmt.Sprintf("what it stands on, %s, does not validate in part (%s): there it is compared with what is in force", fork.Revision.Short(), linesOf(err)[0])
	}
	p, err := r.Cluster.Preview(ctx, on, spec)
	if err != nil {
		return nil, err
	}
	if note != "" {
		p.Warnings = append([]string{note}, p.Warnings...)
	}
	if r.Locate != nil {
		r.Locate(ctx, p.Changes[:min(len(p.Changes), maxLocated)], head, fork)
	}
	return p, nil
}

// linesOf is one line for each error that err wraps.
func linesOf(err error) []string {
	var many interface{ WrappedErrors() []error }
	if !errors.As(err, &many) {
		return []string{strings.Join(strings.Fields(err.Error()), " ")}
	}
	var all []string
	for _, e := range many.WrappedErrors() {
		all = append(all, e.Error())
	}
	return all
}
