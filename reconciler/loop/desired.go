package loop

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// desired is the way from a tip to a wish: evaluate, ask registries for digests,
// seal. It lives on the deciding goroutine; the slow parts run beside it and
// come back through the inbox.
type desired struct {
	t *term
	// wish is what Reconcile is given.
	wish wish
	// draft is the newest tip on its way to a wish, and afterwards what the wish
	// came from; nil where the newest commit was refused.
	draft *draft
	// overtaken are commits that a newer one replaced before they were wished
	// for.
	overtaken []schema.Revision

	evaluating sync.Mutex        // one tree at a time, and only the newest
	known      map[string]string // image reference → pinned
	asked      map[string]*asked // references that were asked for
}

// wish is all that a pass hears of the repository. It changes as a whole: the
// text of one commit never meets what is known of another.
type wish struct {
	spec       schema.Spec
	rewritten  bool
	unresolved []reconciler.Unresolved
	// refused is why the commit as a whole asks for nothing.
	refused string
}

// draft is one commit being made ready.
type draft struct {
	tip       source.Tip
	spec      schema.Spec // evaluated, images not all known
	rewritten bool
	evaluated bool
	wished    bool
	grace     time.Time // until when unanswered references are waited for
}

// asked is a question to a registry.
type asked struct {
	why   *nodes.Failure
	tries int
}

// imageGrace is how long a commit waits for all its images to be resolved
// before those that are go ahead without the rest.
const imageGrace = 3 * time.Second

// The wait between two questions about an image doubles between these.
const (
	firstRetry = 2 * time.Second
	lastRetry  = time.Minute
)

func (d *desired) init(t *term) {
	d.t = t
	d.known, d.asked = map[string]string{}, map[string]*asked{}
}

// tip starts the evaluation of a new commit.
func (d *desired) tip(ctx context.Context, tip source.Tip) {
	d.overtake(tip.Revision.Commit)
	dr := &draft{tip: tip}
	d.draft = dr
	d.t.beginCommit(ctx, tip)
	d.t.wg.Go(func() { d.evaluate(ctx, dr) })
}

// maxOvertaken bounds the commits that wait to be recorded as overtaken.
const maxOvertaken = reconciler.MaxCommits

// overtake notes that the draft will not be wished for any more.
func (d *desired) overtake(by string) {
	if d.draft == nil || d.draft.wished || d.draft.tip.Revision.Commit == by {
		return
	}
	d.overtaken = append(d.overtaken, d.draft.tip.Revision)
	d.overtaken = d.overtaken[max(0, len(d.overtaken)-maxOvertaken):]
}

// evaluate runs beside the deciding goroutine.
func (d *desired) evaluate(ctx context.Context, dr *draft) {
	d.evaluating.Lock()
	defer d.evaluating.Unlock()
	from, ok := d.base(ctx, dr)
	if !ok {
		return
	}
	spec, loadErr := d.t.cfg.Load(dr.tip.Files, dr.tip.Revision)
	rewritten := !d.descends(ctx, from, dr.tip.Revision.Commit)
	d.t.tell(ctx, func(*term) { d.take(ctx, dr, spec, loadErr, rewritten) })
}

// base is the commit in force that the draft is to descend from; false where the
// draft was overtaken while it waited for its turn.
func (d *desired) base(ctx context.Context, dr *draft) (from string, ok bool) {
	out := make(chan string, 1)
	d.t.tell(ctx, func(t *term) {
		if d.draft == dr {
			out <- t.facts.Spec.Revision.Commit
		}
		close(out)
	})
	select {
	case from, ok = <-out:
		return from, ok
	case <-ctx.Done():
		return "", false
	}
}

// descendTries is how often the source is asked about a commit's ancestors
// before the commit is held to be safe.
const descendTries = 5

func (d *desired) descends(ctx context.Context, from, to string) bool {
	if from == "" || from == to {
		return true
	}
	for range descendTries {
		ok, err := d.t.cfg.Source.Descends(ctx, from, to)
		if err == nil {
			return ok
		}
		d.t.log.Warn("looking for a commit's ancestors", "rev", to, "err", err)
		if !sleep(ctx, retryAfter) {
			break
		}
	}
	return false
}

// take takes in an evaluated Spec, unless a newer tip has come meanwhile.
func (d *desired) take(ctx context.Context, dr *draft, spec schema.Spec, err error, rewritten bool) {
	if d.draft != dr {
		return
	}
	d.t.commitPhase("evaluate")
	if len(spec.Teams) == 0 && err != nil {
		d.refuse(dr.tip.Revision, strings.Join(errorLines(err), "; "))
		return
	}
	spec.Revision = dr.tip.Revision
	dr.spec, dr.rewritten, dr.evaluated = spec, rewritten, true
	dr.grace = d.t.cfg.Now().Add(imageGrace)
	d.pin(ctx, dr)
}

// refuse takes note of a commit that as a whole asks for nothing: it has failed,
// and what is in force stays.
func (d *desired) refuse(r schema.Revision, why string) {
	d.overtake(r.Commit)
	d.draft = nil
	d.wish = wish{spec: schema.Spec{Revision: r}, refused: why}
	d.wish.spec.Seal()
	d.forget(nil)
}

// pin fills in digests; what is not known is asked for. With the last answer,
// or once it waited long enough, the draft becomes the wish.
func (d *desired) pin(ctx context.Context, dr *draft) {
	if dr == nil || d.draft != dr || !dr.evaluated {
		return
	}
	spec := dr.spec
	unknown := reconciler.Pin(&spec, &d.t.facts.Spec, d.known)
	waiting := false
	for _, image := range unknown {
		q := d.asked[image]
		if q == nil {
			q = &asked{}
			d.asked[image] = q
			d.ask(ctx, image, q, 0)
		}
		waiting = waiting || q.why == nil
	}
	if waiting && d.t.cfg.Now().Before(dr.grace) {
		d.t.after(ctx, imageGrace, func() { d.pin(ctx, dr) })
		return
	}
	unresolved := d.listUnresolved(&spec)
	spec.Seal()
	d.wish, dr.wished = wish{spec: spec, rewritten: dr.rewritten, unresolved: unresolved}, true
	d.t.commitPhase("resolve")
	d.forget(unknown)
}

// ask puts the question after a wait and pins again with the answer.
func (d *desired) ask(ctx context.Context, image string, q *asked, wait time.Duration) {
	d.t.wg.Go(func() {
		if !sleep(ctx, wait) {
			return
		}
		pinned, why := d.t.cfg.Resolver.Resolve(ctx, image)
		d.t.tell(ctx, func(*term) { d.answered(ctx, image, q, pinned, why) })
	})
}

func (d *desired) answered(ctx context.Context, image string, q *asked, pinned string, why *nodes.Failure) {
	if d.asked[image] != q {
		return
	}
	q.why = why
	if why == nil {
		d.known[image] = pinned
		delete(d.asked, image)
	} else {
		d.ask(ctx, image, q, min(firstRetry<<min(q.tries, 10), lastRetry))
		q.tries++
		d.t.log.Warn("resolving an image", "image", image, "code", why.Code, "text", why.Text)
	}
	d.pin(ctx, d.draft)
}

// forget drops questions and answers that the present text has no use for, so
// that memory follows the repository.
func (d *desired) forget(unknown []string) {
	for image := range d.asked {
		if !slices.Contains(unknown, image) {
			delete(d.asked, image)
		}
	}
	wanted := map[string]bool{}
	for i := range d.wish.spec.Workloads {
		wanted[d.wish.spec.Workloads[i].Image] = true
	}
	for image := range d.known {
		if !wanted[image] {
			delete(d.known, image)
		}
	}
}

func (d *desired) listUnresolved(spec *schema.Spec) (all []reconciler.Unresolved) {
	for i := range spec.Workloads {
		w := &spec.Workloads[i]
		q := d.asked[w.Image]
		if w.Pinned != "" || q == nil {
			continue
		}
		why := nodes.Failure{Code: nodes.RegistryUnreachable, Text: "image " + w.Image + ": its registry has not answered yet"}
		if q.why != nil {
			why = *q.why
		}
		all = append(all, reconciler.Unresolved{Workload: w.Name, Failure: why})
	}
	return all
}

// problems are what kept the newest tip from becoming a Spec at all.
func (d *desired) problems() (all []status.Problem) {
	if d.wish.refused == "" {
		return nil
	}
	return []status.Problem{{Code: "spec-invalid", Subject: d.wish.spec.Revision.Commit, Text: "commit " + d.wish.spec.Revision.Short() + ": " + d.wish.refused,
		Next: "correct it and push; the last good revision stays in force; check with: bayplan validate"}}
}

// errorLines is one line for each error that err wraps.
func errorLines(err error) []string {
	var many interface{ WrappedErrors() []error }
	if !errors.As(err, &many) {
		return []string{strings.TrimSpace(err.Error())}
	}
	lines := []string{}
	for _, e := range many.WrappedErrors() {
		lines = append(lines, e.Error())
	}
	return lines
}

// after runs f on the deciding goroutine once wait is over.
func (t *term) after(ctx context.Context, wait time.Duration, f func()) {
	t.wg.Go(func() {
		if sleep(ctx, wait) {
			t.tell(ctx, func(*term) { f() })
		}
	})
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
