package loop

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// desired is the way from a tip to a Spec that Reconcile may take in: evaluate,
// ask registries for digests, seal. It lives on the deciding goroutine; the
// slow parts run beside it and come back through the inbox.
type desired struct {
	t *term
	// spec, rewritten and unresolved are what Reconcile is given.
	spec       schema.Spec
	rewritten  bool
	unresolved []reconciler.Unresolved
	// refused is why the newest tip as a whole gave no Spec.
	refused string

	// next is the tip that is being evaluated; a newer one replaces it.
	next  source.Tip
	ready schema.Spec       // evaluated, images not all known
	known map[string]string // image reference → pinned
	asked map[string]*asked // references that were asked for
	grace time.Time         // until when unanswered references are waited for
}

// asked is a question to a registry.
type asked struct {
	underway bool
	why      *nodes.Failure
	tries    int
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
	d.next = tip
	d.t.beginCommit(ctx, tip)
	d.t.wg.Go(func() { d.evaluate(ctx, tip) })
}

// evaluate runs beside the deciding goroutine.
func (d *desired) evaluate(ctx context.Context, tip source.Tip) {
	spec, err := d.t.cfg.Load(tip.Files, tip.Revision)
	from := ""
	_ = d.t.do(ctx, func(t *term) { from = t.facts.Spec.Revision.Commit })
	rewritten := false
	if from != "" && from != tip.Revision.Commit {
		ok, descErr := d.t.cfg.Source.Descends(ctx, from, tip.Revision.Commit)
		rewritten = descErr != nil || !ok
	}
	_ = d.t.do(ctx, func(*term) { d.evaluated(ctx, tip, spec, err, rewritten) })
}

// evaluated takes in a Spec, unless a newer tip has come meanwhile.
func (d *desired) evaluated(ctx context.Context, tip source.Tip, spec schema.Spec, err error, rewritten bool) {
	if tip.Revision.Commit != d.next.Revision.Commit {
		return
	}
	d.t.commitPhase("evaluate")
	d.refused = ""
	spec.Revision = tip.Revision
	if len(spec.Teams) == 0 && err != nil {
		d.refuse(tip.Revision, strings.Join(errorLines(err), "; "))
		return
	}
	d.ready, d.rewritten = spec, rewritten
	d.grace = d.t.cfg.Now().Add(imageGrace)
	d.pin(ctx)
}

// refuse takes note of a commit that as a whole asks for nothing: it has failed,
// and what is in force stays.
func (d *desired) refuse(r schema.Revision, why string) {
	d.spec = schema.Spec{Revision: r}
	d.spec.Seal()
	d.refused = why
}

// pin fills in digests; what is not known is asked for.
func (d *desired) pin(ctx context.Context) {
	spec := d.ready
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
	if waiting && d.t.cfg.Now().Before(d.grace) {
		d.t.after(ctx, imageGrace, func() { d.pin(ctx) })
		return
	}
	d.unresolved = d.listUnresolved(&spec)
	spec.Seal()
	d.spec = spec
	d.t.commitPhase("resolve")
	d.forget(unknown)
}

// ask puts the question after a wait and pins again with the answer.
func (d *desired) ask(ctx context.Context, image string, q *asked, wait time.Duration) {
	q.underway = true
	d.t.wg.Go(func() {
		if !sleep(ctx, wait) {
			return
		}
		pinned, why := d.t.cfg.Resolver.Resolve(ctx, image)
		_ = d.t.do(ctx, func(*term) { d.answered(ctx, image, q, pinned, why) })
	})
}

func (d *desired) answered(ctx context.Context, image string, q *asked, pinned string, why *nodes.Failure) {
	if d.asked[image] != q {
		return
	}
	q.underway, q.why = false, why
	if why == nil {
		d.known[image] = pinned
		delete(d.asked, image)
	} else {
		d.ask(ctx, image, q, min(firstRetry<<min(q.tries, 10), lastRetry))
		q.tries++
		d.t.log.Warn("resolving an image", "image", image, "code", why.Code, "text", why.Text)
	}
	d.pin(ctx)
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
	for i := range d.ready.Workloads {
		wanted[d.ready.Workloads[i].Image] = true
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
	if d.refused == "" {
		return nil
	}
	return []status.Problem{{Code: "spec-invalid", Subject: d.spec.Revision.Commit, Text: "commit " + d.spec.Revision.Short() + ": " + d.refused,
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
			_ = t.do(ctx, func(*term) { f() })
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
