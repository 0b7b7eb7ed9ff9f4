package loop

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// desired is the way of one repository from a tip to a wish: evaluate, ask
// registries for digests, seal. It lives on the deciding goroutine; the slow parts
// run beside it and come back through the inbox.
type desired struct {
	t *term
	// repo is the repository's name, "" the operators' whatever people call it.
	repo     string
	followed status.Followed
	source   Source
	load     Loader
	// lacks is why the operators' tree cannot be read.
	lacks error
	// trouble is the source's, and warnings are about the newest tip.
	trouble  *source.Trouble
	warnings []string
	// commit is the trace of the newest commit, nil once that has ended; before are
	// those of older ones that have not, oldest first.
	commit *commitTrace
	before []*commitTrace
	// last is the newest tip that the source told of.
	last *source.Tip

	// wish is what Reconcile is given.
	wish wish
	// draft is the newest tip on its way to a wish, and afterwards what the wish
	// came from; nil where the newest commit was refused.
	draft *draft
	// doubted is the newest tip where its signatures do not vouch for it: not
	// evaluated, until someone lets it through.
	doubted *draft
	// newest is the commit that the source told of last, and overtaken are those
	// before it that may not have been looked at, oldest first.
	newest    schema.Revision
	overtaken []schema.Revision

	// busy is the draft whose tree is being evaluated since busySince.
	busy      *draft
	busySince time.Time

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
	// refused is why the commit as a whole asks for nothing, one cause a line.
	refused []string
	// unverified is why nobody vouches for the commit.
	unverified string
	// unplanned is what it would do that no approved plan says, planned the keys of
	// those that say it; see gate.go.
	unplanned string
	planned   []string
}

// draft is one commit being made ready.
type draft struct {
	tip       source.Tip
	spec      schema.Spec // evaluated, images not all known
	rewritten bool
	evaluated bool
	wished    bool
	gate      gate               // where plans are pinned
	grace     time.Time          // until when unanswered references are waited for
	overtaken context.CancelFunc // ends its evaluation
}

func newDesired(t *term, r Repo) *desired {
	return &desired{t: t, followed: r.Followed, source: r.Source, load: r.Load, known: map[string]string{}, asked: map[string]*asked{}}
}

// tip starts the evaluation of a new commit, and ends that of the one before.
func (d *desired) tip(ctx context.Context, tip source.Tip) {
	if d.draft != nil {
		d.draft.overtaken()
	}
	d.last = &tip
	clear(d.known) // what a tag means is asked anew by each commit
	d.beginCommit(ctx, tip)
	d.start(ctx, &draft{tip: tip})
}

// start makes the draft the one in work.
func (d *desired) start(ctx context.Context, dr *draft) {
	own, cancel := context.WithCancel(ctx)
	dr.overtaken = cancel
	d.draft, d.doubted = dr, nil
	d.t.wg.Go(func() {
		defer cancel()
		d.evaluate(ctx, own, dr)
	})
}

// moveTo notes that r is the newest commit: the newest before and those that
// were passed on the way will not be looked at any more.
func (d *desired) moveTo(r schema.Revision, passed []schema.Revision) {
	if d.newest.Commit != "" && d.newest.Commit != r.Commit {
		d.overtaken = append(d.overtaken, d.newest)
	}
	d.overtaken = append(d.overtaken, passed...)
	d.overtaken = d.overtaken[max(0, len(d.overtaken)-reconciler.MaxCommits):]
	d.newest = r
}

// passedOver are the commits to record as overtaken: none until the newest one
// has become the wish.
func (d *desired) passedOver() []schema.Revision {
	if d.draft != nil && !d.draft.wished {
		return nil
	}
	return d.overtaken
}

// evaluate runs beside the deciding goroutine. The draft's own context ends
// once a newer commit is there; the answer is told within the term's.
func (d *desired) evaluate(ctx, own context.Context, dr *draft) {
	d.evaluating.Lock()
	defer d.evaluating.Unlock()
	on, ok := d.base(ctx, own, dr)
	if !ok {
		return
	}
	if !on.trusted {
		if why := d.verify(own, on.from, dr.tip.Revision.Commit); why != "" {
			d.t.tell(ctx, func(*term) { d.doubt(dr, why) })
			return
		}
	}
	spec, loadErr := d.load(own, on.operators, dr.tip.Files, dr.tip.Revision)
	rewritten := !d.descends(own, on.from, dr.tip.Revision.Commit)
	d.t.tell(ctx, func(*term) { d.take(ctx, dr, spec, loadErr, rewritten) })
}

// ground is what a draft is judged by.
type ground struct {
	// from is the commit in force, that the draft is to descend from.
	from string
	// trusted is whether it was let through whatever its signatures are.
	trusted bool
	// operators is the operators' tree in force, of a draft of another repository.
	operators fs.FS
}

// base is the draft's ground; false where it was overtaken while it waited for
// its turn.
func (d *desired) base(ctx, own context.Context, dr *draft) (g ground, ok bool) {
	out := make(chan ground, 1)
	operators := ""
	d.t.tell(ctx, func(t *term) {
		if operators = t.facts.InForce(""); d.draft == dr && (d.repo == "" || operators != "") {
			d.begin(ctx, dr)
			out <- ground{from: t.facts.InForce(d.repo), trusted: t.facts.TrustedBy(d.repo, dr.tip.Revision.Commit)}
		}
		close(out)
	})
	select {
	case g, ok = <-out:
	case <-ctx.Done():
	}
	if ok && d.repo != "" {
		g.operators, ok = d.operatorsAt(ctx, own, operators)
	}
	return g, ok
}

// longEvaluation is how long an evaluation may take before it is told of.
const longEvaluation = 3 * time.Second

// begin notes that the draft's evaluation begins, and has it told if it takes
// long.
func (d *desired) begin(ctx context.Context, dr *draft) {
	d.busy, d.busySince = dr, d.t.cfg.Now()
	d.t.after(ctx, longEvaluation, func() {})
}

// long is the evaluation under way, if it takes long.
func (d *desired) long() *status.Evaluating {
	if d.busy == nil || d.t.cfg.Now().Sub(d.busySince) < longEvaluation {
		return nil
	}
	r := d.busy.tip.Revision
	return &status.Evaluating{Commit: r.Commit, Time: r.Time, Author: r.Author, Subject: r.Subject, Since: d.busySince}
}

// take takes in an evaluated Spec, unless a newer tip has come meanwhile.
func (d *desired) take(ctx context.Context, dr *draft, spec schema.Spec, err error, rewritten bool) {
	d.busy = nil
	if d.draft != dr {
		return
	}
	d.commitPhase("evaluate")
	if len(spec.Teams) == 0 && err != nil {
		d.refuse(dr.tip.Revision, errorLines(err))
		return
	}
	spec.Revision = dr.tip.Revision
	dr.spec, dr.rewritten, dr.evaluated = spec, rewritten, true
	dr.grace = d.t.cfg.Now().Add(imageGrace)
	d.pin(ctx, dr)
}

// refuse takes note of a commit that as a whole asks for nothing: it has failed,
// and what is in force stays.
func (d *desired) refuse(r schema.Revision, why []string) {
	d.draft, d.doubted = nil, nil
	d.withoutText(r, wish{refused: why})
}

// withoutText makes a wish of a commit whose text is not known.
func (d *desired) withoutText(r schema.Revision, w wish) {
	w.spec.Revision = r
	w.spec.Seal()
	d.wish = w
	d.forget(nil)
}

// text is the newest commit's, as far as it evaluates; nil before the first.
func (d *desired) text() *schema.Spec {
	if d.wish.spec.Revision.Commit == "" {
		return nil
	}
	spec := d.wish.spec
	return &spec
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
