package loop

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// view is what one decision published. The Status is made when first asked
// for: most decisions are never looked at.
type view struct {
	in    status.Input
	input reconciler.Input // for previews and explanations; shares no scratch

	once   sync.Once
	status status.Status
	newer  chan struct{} // closed when a newer view is there
}

func (v *view) get() *status.Status {
	v.once.Do(func() { v.status = status.Of(v.in) })
	return &v.status
}

func (l *Loop) publish(v *view) {
	v.newer = make(chan struct{})
	v.input.Scratch = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(v)
}

// put makes v the newest view; mu is held.
func (l *Loop) put(v *view) {
	old := l.view
	l.view = v
	if v.input.Epoch != 0 && (old == nil || old.input.Epoch == 0) {
		close(l.deciding)
	}
	if old != nil {
		close(old.newer)
	}
}

// replace publishes v in place of old, unless that is the newest no more.
func (l *Loop) replace(old, v *view) {
	v.newer = make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.view == old {
		l.put(v)
	}
}

// Deciding is closed once the loop has led and told of its first decision: what
// Status says before that is empty for want of knowledge, not because nothing
// runs.
func (l *Loop) Deciding() <-chan struct{} { return l.deciding }

func (l *Loop) current() *view {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view
}

// Status is the newest state, and a channel that is closed once there is a
// newer one. The Status must not be changed.
func (l *Loop) Status() (*status.Status, <-chan struct{}) {
	v := l.current()
	return v.get(), v.newer
}

// Preview is what head, of a repository ("" is the operators'), would change on the
// running cluster, or where there is a base, as if that had been carried out before.
func (l *Loop) Preview(ctx context.Context, repo string, base *schema.Spec, head schema.Spec) (*status.Preview, error) {
	in := l.current().input
	if in.Epoch == 0 {
		return nil, ErrNotLeading
	}
	if err := l.follows(repo); err != nil {
		return nil, err
	}
	accepted := &in.Facts.Spec
	if base != nil {
		pinned := *base
		l.pinForPreview(ctx, &pinned, accepted)
		base, accepted = &pinned, &pinned
	}
	p := status.Plan(in, status.Question{Repo: repo, Base: base, Unresolved: l.pinForPreview(ctx, &head, accepted), Head: head})
	return &p, nil
}

// Snapshot is the state that a plan is decided on, to ask it later.
func (l *Loop) Snapshot(context.Context) (*status.Recording, error) {
	in := l.current().input
	if in.Epoch == 0 {
		return nil, ErrNotLeading
	}
	r := status.Record(l.cfg.Cluster, in)
	return &r, nil
}

// pinForPreview resolves what it can; a place is foreseen for the rest as well,
// under the tag.
func (l *Loop) pinForPreview(ctx context.Context, spec, accepted *schema.Spec) (unresolved []reconciler.Unresolved) {
	unknown, by := reconciler.Pin(spec, accepted, nil), reconciler.Registries(spec, accepted)
	known := map[string]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, image := range unknown {
		wg.Go(func() {
			pinned, why := l.cfg.Resolver.Resolve(ctx, image, by)
			mu.Lock()
			defer mu.Unlock()
			known[image] = cmp.Or(pinned, image)
			if why != nil {
				unresolved = append(unresolved, reconciler.Unresolved{Workload: image, Failure: *why})
			}
		})
	}
	wg.Wait()
	reconciler.Pin(spec, accepted, known)
	slices.SortFunc(unresolved, func(a, b reconciler.Unresolved) int { return strings.Compare(a.Workload, b.Workload) })
	return unresolved
}

// ErrNotLeading is the answer of a server that does not decide now.
var ErrNotLeading = errdefs.ErrUnavailable.WithMessage("this server does not lead yet; try again in a moment")

// Explain tells why a slot is where it is, or why it is nowhere.
func (l *Loop) Explain(_ context.Context, slot schema.Slot) (*status.Explanation, error) {
	v := l.current()
	if v.input.Epoch == 0 {
		return nil, ErrNotLeading
	}
	events, _ := l.Events(0)
	x, err := status.Explain(v.get(), reconciler.Places(v.input, slot), slot, events)
	if err != nil {
		return nil, err
	}
	return &x, nil
}

// History tells what became of commits, and of one workload's rollouts.
func (l *Loop) History(_ context.Context, workload string) (*status.History, error) {
	v := l.current()
	if v.input.Epoch == 0 {
		return nil, ErrNotLeading
	}
	h := status.HistoryOf(&v.in.Facts, workload)
	if len(l.cfg.Others) > 0 {
		h.Operators = &l.cfg.Followed
	}
	return &h, nil
}

// Moves tells which slots would be better placed elsewhere, budget at most.
func (l *Loop) Moves(_ context.Context, budget int) (*status.Moves, error) {
	v := l.current()
	if v.input.Epoch == 0 {
		return nil, ErrNotLeading
	}
	m := status.MovesOf(v.input, budget)
	return &m, nil
}
