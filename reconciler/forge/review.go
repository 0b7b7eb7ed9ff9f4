package forge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// Text is a commit with its files.
type Text struct {
	Revision schema.Revision
	Files    fs.FS
}

// Pulls reads pull requests from the repository; reconciler/source has the real
// one.
type Pulls interface {
	// List has the newest commit of each by its number, and the tracked branch's.
	List(ctx context.Context) (heads map[int]string, branch string, err error)
	// Bring is a pull request as it is now, and where it left the branch.
	Bring(ctx context.Context, number int) (head, fork Text, err error)
}

// Cluster is what plans and tells; reconciler/loop has the real one.
type Cluster interface {
	Preview(ctx context.Context, base *schema.Spec, head schema.Spec) (*status.Preview, error)
	Status() (*status.Status, <-chan struct{})
}

// Host is the forge; [Client] is the real one.
type Host interface {
	OpenPulls(ctx context.Context, branch string) ([]Request, error)
	SetStatus(ctx context.Context, commit string, s CommitStatus) error
	Comment(ctx context.Context, number int, marker, text string) error
}

// ReviewConfig is what a Review works with. All but Every and Log are required.
type ReviewConfig struct {
	// Name is the cluster's, for statuses and comments.
	Name, Branch string
	Pulls        Pulls
	Host         Host
	Cluster      Cluster
	// Load evaluates what strangers wrote: in a process that can be killed.
	Load func(ctx context.Context, files fs.FS, rev schema.Revision) (schema.Spec, error)
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
	return &Review{ReviewConfig: c, poked: make(chan struct{}, 1), planned: map[int]planned{}, told: map[int]said{}, deployed: map[string]CommitStatus{}}
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

// look plans what is new. The forge is asked only where a ref has moved.
func (r *Review) look(ctx context.Context) error {
	heads, branch, err := r.Pulls.List(ctx)
	if err != nil {
		return err
	}
	now := fmt.Sprint(branch, heads) // maps are printed sorted
	if now == r.listed {
		return nil
	}
	open, err := r.Host.OpenPulls(ctx, r.Branch)
	if err != nil {
		return err
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

// forget drops the pull requests that are no longer open.
func (r *Review) forget(open []Request) {
	is := map[int]bool{}
	for _, p := range open {
		is[p.Number] = true
	}
	for n := range r.told {
		if !is[n] {
			delete(r.planned, n)
			delete(r.told, n)
		}
	}
}

// plan plans one and tells the forge.
func (r *Review) plan(ctx context.Context, number int, want planned) error {
	ctx, cancel := context.WithTimeout(ctx, planTime)
	defer cancel()
	if r.told[number].head != want.head {
		if err := r.say(ctx, number, want.head, Pending, "planning"); err != nil {
			return err
		}
	}
	state, text, comment := r.decide(ctx, number)
	if comment != "" {
		if err := r.Host.Comment(ctx, number, Marker(r.Name), comment); err != nil {
			return err
		}
	}
	if err := r.say(ctx, number, want.head, state, text); err != nil {
		return err
	}
	r.Log.Info("pull request planned", "number", number, "rev", want.head, "state", string(state), "text", text)
	if state != Error {
		r.planned[number] = want
	}
	return nil
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

// decide is the way from a pull request to what is told of it. An Error is the
// server's own trouble, and is tried again.
func (r *Review) decide(ctx context.Context, number int) (state State, text, comment string) {
	head, fork, err := r.Pulls.Bring(ctx, number)
	if err != nil {
		return Error, "it cannot be read: " + err.Error(), ""
	}
	spec, err := r.Load(ctx, head.Files, head.Revision)
	if err != nil {
		errs := linesOf(err)
		if ctx.Err() != nil {
			return Error, "it took too long", ""
		}
		return Failure, fmt.Sprintf("it does not validate: %s: %s", plural(len(errs), "error"), errs[0]), Refused(r.Name, head.Revision.Commit, errs)
	}
	base, err := r.Load(ctx, fork.Files, fork.Revision)
	if err != nil && len(base.Teams) == 0 {
		return Error, "what it stands on cannot be read: " + linesOf(err)[0], ""
	}
	p, err := r.Cluster.Preview(ctx, &base, spec)
	if err != nil {
		return Error, "it cannot be planned now: " + err.Error(), ""
	}
	state = Success
	if len(p.Unplaced) > 0 {
		state = Failure
	}
	text = Summary(p)
	if p.Held != "" {
		text = "would be Held: " + p.Held + "; " + text
	}
	return state, text, Comment(r.Name, p)
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
