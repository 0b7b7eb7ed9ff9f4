package forge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// ReviewConfig is what a Review works with. All but Locate, Every and Log are
// required.
type ReviewConfig struct {
	// Name is the cluster's, for statuses and comments.
	Name, Branch string
	Pulls        Pulls
	Host         Host
	Cluster      Cluster
	// Load evaluates what strangers wrote: in a process that can be killed.
	Load func(ctx context.Context, files fs.FS, rev schema.Revision) (schema.Spec, error)
	// Locate tells of changes where they stand, base having no files where head is
	// compared with the cluster; nil where nobody can.
	Locate func(ctx context.Context, changes []status.PreviewChange, head, base Text)
	// Every is the time between two looks at pull requests; 30 s if zero.
	Every time.Duration
	Log   *slog.Logger
}

const (
	// plansPerLook and restBetween bound what pull requests cost: the rest waits for
	// the next look.
	plansPerLook = 10
	restBetween  = time.Second
	// planTime bounds one plan from its fetch to its comment.
	planTime = 5 * time.Minute
)

// Review plans open pull requests and tells their forge, and what became of merged
// commits.
type Review struct {
	ReviewConfig
	poked chan struct{}
	// planned is for what each pull request was planned last.
	planned map[int]planned
	// listed is what the refs were when all was planned; another is a reason to ask
	// the forge.
	listed string
	// told is what was last said of each pull request's newest commit.
	told map[int]said
	// shown are the plans that stand in comments.
	shown map[int]*shown
	// merged are pull requests of which plans are pinned that are known to be merged,
	// and since when.
	merged map[int]time.Time
	// turn counts the looks at approvals.
	turn int
	// deployed is what was told of commits last.
	deployed map[string]CommitStatus
}

// planned is what a plan hangs on of the repository.
type planned struct{ head, branch string }

// said is a status that was set.
type said struct {
	head   string
	status CommitStatus
}

// NewReview makes one; Run does the work.
func NewReview(c ReviewConfig) *Review {
	if c.Every <= 0 {
		c.Every = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Review{ReviewConfig: c, poked: make(chan struct{}, 1), planned: map[int]planned{}, told: map[int]said{},
		shown: map[int]*shown{}, merged: map[int]time.Time{}, deployed: map[string]CommitStatus{}}
}

// Look asks for a look at pull requests now.
func (r *Review) Look() {
	select {
	case r.poked <- struct{}{}:
	default:
	}
}

// Run looks and tells until ctx ends. What goes wrong is logged and tried again.
func (r *Review) Run(ctx context.Context) error {
	told := make(chan struct{})
	go func() {
		defer close(told)
		r.tell(ctx)
	}()
	defer func() { <-told }()
	for wait := time.Duration(0); r.rest(ctx, wait); {
		wait = r.Every
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("looking at pull requests", "err", err)
			wait = max(wait, waitFor(err))
		}
	}
	return ctx.Err()
}

// rest waits until it is time, or somebody asks; false once ctx has ended.
func (r *Review) rest(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-r.poked:
	}
	return ctx.Err() == nil
}

func waitFor(err error) time.Duration {
	if a, ok := errors.AsType[*Answered](err); ok {
		return a.Wait
	}
	return 0
}

// look plans what is new. The forge is asked only where a ref has moved, and where
// plans are pinned for approvals.
func (r *Review) look(ctx context.Context) error {
	heads, branch, err := r.Pulls.List(ctx)
	if err != nil {
		return err
	}
	now := fmt.Sprint(branch, heads) // maps are printed sorted
	pins, _ := r.Cluster.Pins()
	if now == r.listed && !pins {
		return nil
	}
	open, err := r.Host.OpenPulls(ctx, r.Branch)
	if err != nil {
		return err
	}
	if pins { // before anything else is shown: what was approved is what was shown so far
		if err := r.approvals(ctx, open); err != nil && ctx.Err() == nil {
			r.Log.Warn("looking at approvals", "err", err)
		}
	}
	r.forget(open)
	plans, all := 0, true
	for _, p := range open {
		want := planned{heads[p.Number], branch}
		if want.head == "" || r.planned[p.Number] == want {
			continue
		}
		if plans++; plans > plansPerLook {
			return nil
		}
		if plans > 1 && !r.rest(ctx, restBetween) {
			return ctx.Err()
		}
		if err := r.plan(ctx, p.Number, want); err != nil {
			return err
		}
		all = all && r.planned[p.Number] == want
	}
	if all {
		r.listed = now
	}
	return nil
}
