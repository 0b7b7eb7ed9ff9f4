package server

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/forge"
	"github.com/bayplan/bayplan/reconciler/loop"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// The most that a pull request may bring, being anybody's: a tenth and less of
// what the repository's own branch may.
const (
	pullFetch   = 256 << 20
	pullObjects = 500_000
	pullInflate = 1 << 30
)

// reviewing plans pull requests and tells their forge.
type reviewing struct {
	*forge.Review
	pulls *source.Pulls
	host  *forge.Client
}

// openReviews has the pull requests of each repository watched where there is a
// token for its forge.
func (s *server) openReviews() error {
	own := following{Repo: Repo{Source: s.Source, Forge: s.Forge}, load: s.evaluatorWith(new(load.Cache))}
	for _, f := range append([]following{own}, s.others...) {
		if f.Forge.TokenFile == "" {
			continue
		}
		r, err := s.openReview(&f)
		if err != nil {
			return err
		}
		s.reviews = append(s.reviews, r)
	}
	return nil
}

func (s *server) openReview(f *following) (r *reviewing, err error) {
	f.Forge.Repo, f.Forge.CAFile = f.Source.URL, f.Source.CAFile
	r = &reviewing{}
	if r.host, err = forge.New(f.Forge); err != nil {
		return nil, err
	}
	cfg := f.Source
	cfg.Dir, cfg.Log = s.dirOf(f.Name, "pulls"), s.Log
	cfg.MaxFetch, cfg.MaxObjects, cfg.MaxInflated = pullFetch, pullObjects, pullInflate
	if r.pulls, err = source.OpenPulls(cfg); err != nil {
		r.host.Close()
		return nil, err
	}
	r.Review = forge.NewReview(forge.ReviewConfig{Name: path.Join(s.cluster.Name, f.Name), Branch: f.Source.Branch, Pulls: pulls{r.pulls}, Host: r.host,
		Cluster: onlyOf{s.loop, f.Name}, Load: s.reviewer(f), Locate: s.locator(f), Log: s.Log})
	return r, nil
}

// reviewer evaluates what a pull request brings: of a guest by the operators' part
// that is in force.
func (s *server) reviewer(f *following) func(context.Context, fs.FS, schema.Revision) (schema.Spec, error) {
	if f.Name == "" {
		return f.load
	}
	load := s.guestLoader(new(load.Cache))
	return func(ctx context.Context, files fs.FS, rev schema.Revision) (schema.Spec, error) {
		operators, err := s.loop.Operators(ctx)
		if err != nil {
			return schema.Spec{}, fmt.Errorf("the operators' part: %w", err)
		}
		return load(ctx, operators, files, rev)
	}
}

// onlyOf is the cluster as one repository's forge sees it.
type onlyOf struct {
	*loop.Loop
	repo string
}

// Preview is about the one repository.
func (c onlyOf) Preview(ctx context.Context, base *schema.Spec, head schema.Spec) (*status.Preview, error) {
	return c.Loop.Preview(ctx, c.repo, base, head)
}

// Status has the repository's commits alone.
func (c onlyOf) Status() (*status.Status, <-chan struct{}) {
	all, newer := c.Loop.Status()
	return all.Of(c.repo), newer
}

// Pins are the repository's.
func (c onlyOf) Pins() (on bool, plans []reconciler.PinnedPlan) {
	on, plans = c.Loop.Pins()
	return on, reconciler.PlansOf(plans, c.repo)
}

// Pin records a plan as the repository's.
func (c onlyOf) Pin(ctx context.Context, p reconciler.PinnedPlan) error {
	p.Repo = c.repo
	return c.Loop.Pin(ctx, p)
}

// Unpin takes back what was approved of the repository.
func (c onlyOf) Unpin(ctx context.Context, v reconciler.Voucher, why string) error {
	v.Repo = c.repo
	return c.Loop.Unpin(ctx, v, why)
}

// locator finds places by evaluating in the workers, as all that strangers wrote is.
func (s *server) locator(f *following) func(context.Context, []status.PreviewChange, forge.Text, forge.Text) {
	places := func(files fs.FS) (*load.Locator, error) {
		opts := []load.Option{load.WithEvaluator(s.workers.Evaluate), load.WithLimits(load.Limits{PackageTime: s.EvalTimeout})}
		if f.Name == "" || slices.Contains(load.Environments(files), s.Environment) {
			opts = append(opts, load.WithEnvironment(s.Environment))
		}
		return load.NewLocator(files, opts...)
	}
	return func(ctx context.Context, changes []status.PreviewChange, head, base forge.Text) {
		now, err := places(head.Files)
		if err != nil {
			return
		}
		var before *load.Locator
		if base.Files != nil {
			if before, err = places(base.Files); err != nil {
				return
			}
		}
		tree.Locate(ctx, changes, now, before)
	}
}

func (r *reviewing) close() {
	r.host.Close()
	_ = r.pulls.Close()
}

// pulls are the repository's, as a review reads them.
type pulls struct{ *source.Pulls }

// List is source.Pulls' own, by number.
func (p pulls) List(ctx context.Context) (heads map[int]string, branch string, err error) {
	all, branch, err := p.Pulls.List(ctx)
	heads = make(map[int]string, len(all))
	for _, x := range all {
		heads[x.Number] = x.Head
	}
	return heads, branch, err
}

// Bring is source.Pulls' own.
func (p pulls) Bring(ctx context.Context, number int) (head, fork forge.Text, err error) {
	a, b, err := p.Pulls.Bring(ctx, number)
	return forge.Text{Revision: a.Revision, Files: a.Files}, forge.Text{Revision: b.Revision, Files: b.Files}, err
}
