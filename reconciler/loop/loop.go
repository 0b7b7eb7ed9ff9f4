package loop

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// Source is the tracked branch; reconciler/source has the real one.
type Source interface {
	// Watch calls sink for every new tip and every trouble until ctx ends.
	Watch(ctx context.Context, sink func(source.Update)) error
	// Descends is whether to has from among its ancestors.
	Descends(ctx context.Context, from, to string) (bool, error)
	// Verify is why the signatures do not vouch for what to brings on top of from,
	// which is "" before the first commit; "" where they do or nobody asks.
	Verify(ctx context.Context, from, to string) (why string, err error)
	// At is a commit that was delivered, or is in the past of one.
	At(ctx context.Context, commit string) (source.Tip, error)
}

// Loader evaluates a tree of a repository, until ctx ends; operators is the tree
// of the operators' that is in force, of the operators' own nil.
type Loader func(ctx context.Context, operators, files fs.FS, rev schema.Revision) (schema.Spec, error)

// Repo is a repository that is followed beside the operators'.
type Repo struct {
	status.Followed
	Source Source
	Load   Loader
}

// Fleet is the nodes; nodes/roster has the real one.
type Fleet interface {
	Snapshot() nodes.Snapshot
	// Changed yields (capacity 1) after the Snapshot changed.
	Changed() <-chan struct{}
	// Assign parks what one node should run, for delivery now or when it
	// connects.
	Assign(nodes.Assignment)
	// Settle says what holds for every node, before the Assignments that may
	// need it.
	Settle(nodes.Settings)
	// Decided says that whatever follows from the Snapshot as of then is assigned;
	// zero that this server decides no more.
	Decided(at time.Time)
}

// Ledger is the durable memory; reconciler/ledger has the real one.
type Ledger interface {
	// Campaign waits until this server leads.
	Campaign(ctx context.Context) (Term, error)
	Facts(ctx context.Context) (reconciler.Facts, error)
	// Events are the newest recorded ones, oldest first.
	Events(ctx context.Context, last int) ([]status.Event, error)
}

// Term is a time of leading.
type Term interface {
	Epoch() int64
	Lost() <-chan struct{}
	// Record writes what differs between before and after, and the events, or
	// fails if the term is over.
	Record(ctx context.Context, before, after reconciler.Facts, events []status.Event) error
}

// Resolver finds image digests; reconciler/registry has the real one.
type Resolver interface {
	// Resolve is the image by digest, or why there is none; by is how the
	// cluster's machines reach registries.
	Resolve(ctx context.Context, image string, by []schema.Registry) (pinned string, why *nodes.Failure)
}

// Config is what a Loop works with. All but Others, Log, Metrics, Now and Troubles are
// required.
type Config struct {
	// Cluster is the cluster's name, for people.
	Cluster  string
	Source   Source
	Fleet    Fleet
	Ledger   Ledger
	Resolver Resolver
	// Load evaluates a tree, until ctx ends; schema/load.LoadContext is the real
	// one.
	Load func(ctx context.Context, files fs.FS, rev schema.Revision) (schema.Spec, error)
	// Others are followed beside Source, which is the operators'.
	Others []Repo
	// Followed is what people know the operators' by, where there are others.
	Followed status.Followed
	// Troubles are what other parts of the server want told, asked for each
	// time a status is made.
	Troubles func() []status.Problem
	Log      *slog.Logger
	Metrics  prometheus.Registerer
	Now      func() time.Time
}

// Loop decides for one cluster. Its methods are safe for concurrent use.
type Loop struct {
	cfg     Config
	log     *slog.Logger
	meter   *meter
	inbox   chan func(*term)
	started time.Time

	deciding chan struct{} // closed once the first decision was published

	mu     sync.Mutex
	view   *view
	events *eventRing
}

// New checks the configuration; Run does the work.
func New(cfg Config) (*Loop, error) {
	if cfg.Source == nil || cfg.Fleet == nil || cfg.Ledger == nil || cfg.Resolver == nil || cfg.Load == nil {
		return nil, errors.New("loop: Source, Fleet, Ledger, Resolver and Load are required")
	}
	cfg.Now = orNow(cfg.Now)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	if cfg.Troubles == nil {
		cfg.Troubles = func() []status.Problem { return nil }
	}
	l := &Loop{cfg: cfg, log: cfg.Log, inbox: make(chan func(*term), 16), events: newEventRing(), deciding: make(chan struct{})}
	l.meter = newMeter(cfg.Metrics)
	l.publish(&view{in: status.Input{Cluster: cfg.Cluster, Now: cfg.Now(), Started: cfg.Now()}})
	return l, nil
}

func orNow(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

// Run leads, decides and orders until ctx ends. Losing the lead is no error, nor
// is a ledger that does not answer now: it campaigns again.
func (l *Loop) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	beside.Go(func() { l.retell(ctx) })
	for ctx.Err() == nil {
		err := l.lead(ctx)
		switch {
		case ctx.Err() != nil:
		case errdefs.IsUnavailable(err):
			l.log.Warn("not leading", "err", err)
			sleep(ctx, retryAfter)
		case err != nil:
			return err
		}
	}
	return ctx.Err()
}

// lead is one term from its campaign to its end.
func (l *Loop) lead(ctx context.Context) error {
	won, err := l.cfg.Ledger.Campaign(ctx)
	if err != nil {
		return err
	}
	facts, err := l.cfg.Ledger.Facts(ctx)
	if err != nil {
		return err
	}
	if err := l.checkRepos(&facts); err != nil {
		return err
	}
	past, err := l.cfg.Ledger.Events(ctx, ringSize)
	if err != nil {
		return err
	}
	l.events.reset(past)
	facts.Intern()
	facts.Anchor(l.cfg.Now())
	t := newTerm(l, won, facts)
	l.log.Info("leading", "epoch", won.Epoch(), "rev", facts.Spec.Revision.Short(), "workloads", len(facts.Spec.Workloads))
	err = t.run(ctx)
	if ctx.Err() == nil {
		l.stepDown()
	}
	return err
}

// tell has f run on the deciding goroutine and returns once it is queued, or ctx
// ends.
func (l *Loop) tell(ctx context.Context, f func(*term)) {
	select {
	case l.inbox <- f:
	case <-ctx.Done():
	}
}

// ask has f run on the deciding goroutine and answers with its result once the
// decision that follows it was made and recorded.
func ask[T any](ctx context.Context, l *Loop, f func(*term) T) (answer T, err error) {
	out := make(chan T, 1)
	l.tell(ctx, func(t *term) {
		v := f(t)
		t.answers = append(t.answers, func() { out <- v })
	})
	select {
	case answer = <-out:
		return answer, nil
	case <-ctx.Done():
		return answer, ctx.Err()
	}
}
