package server

import (
	"context"
	"path/filepath"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/reconciler/forge"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
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

// openReview has pull requests watched where there is a token for their forge.
func (s *server) openReview() (err error) {
	if s.Forge.TokenFile == "" {
		return nil
	}
	s.Forge.Repo, s.Forge.CAFile = s.Source.URL, s.Source.CAFile
	r := &reviewing{}
	if r.host, err = forge.New(s.Forge); err != nil {
		return err
	}
	cfg := s.Source
	cfg.Dir, cfg.Log = filepath.Join(s.Dir, "pulls"), s.Log
	cfg.MaxFetch, cfg.MaxObjects, cfg.MaxInflated = pullFetch, pullObjects, pullInflate
	if r.pulls, err = source.OpenPulls(cfg); err != nil {
		return err
	}
	r.Review = forge.NewReview(forge.ReviewConfig{Name: s.cluster.Name, Branch: s.Source.Branch, Pulls: pulls{r.pulls}, Host: r.host,
		Cluster: s.loop, Load: s.evaluatorWith(new(load.Cache)), Locate: s.locate, Log: s.Log})
	s.review = r
	return nil
}

// locate finds places by evaluating in the workers, as all that strangers wrote is.
func (s *server) locate(ctx context.Context, changes []status.PreviewChange, head, base forge.Text) {
	opts := []load.Option{load.WithEvaluator(s.workers.Evaluate), load.WithLimits(load.Limits{PackageTime: s.EvalTimeout}), load.WithEnvironment(s.Environment)}
	now, err := load.NewLocator(head.Files, opts...)
	if err != nil {
		return
	}
	var before *load.Locator
	if base.Files != nil {
		if before, err = load.NewLocator(base.Files, opts...); err != nil {
			return
		}
	}
	tree.Locate(ctx, changes, now, before)
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
