package loop

import (
	"context"
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

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
	d.commitPhase("resolve")
	d.pass(ctx, dr, wish{spec: spec, rewritten: dr.rewritten, unresolved: unresolved}, unknown)
}

// become makes w the wish; unknown are the images that it still waits for.
func (d *desired) become(dr *draft, w wish, unknown []string) {
	d.wish, dr.wished = w, true
	d.forget(unknown)
}

// ask puts the question after a wait and pins again with the answer.
func (d *desired) ask(ctx context.Context, image string, q *asked, wait time.Duration) {
	var by []schema.Registry
	if d.draft != nil {
		by = reconciler.Registries(&d.draft.spec, &d.t.facts.Spec)
	}
	d.t.wg.Go(func() {
		if !sleep(ctx, wait) {
			return
		}
		pinned, why := d.t.cfg.Resolver.Resolve(ctx, image, by)
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
		for image := range d.wish.spec.Workloads[i].References {
			wanted[image] = true
		}
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
		image := w.Unpinned()
		q := d.asked[image]
		if image == "" || q == nil {
			continue
		}
		why := nodes.Failure{Code: nodes.RegistryUnreachable, Text: "image " + image + ": its registry has not answered yet"}
		if q.why != nil {
			why = *q.why
		}
		all = append(all, reconciler.Unresolved{Workload: w.Name, Failure: why})
	}
	return all
}
