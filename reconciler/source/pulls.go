package source

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// Pull is a pull request, or a merge request, as the remote's refs have it; one
// that was closed or merged long ago may be among them.
type Pull struct {
	Number int
	// Head is its newest commit.
	Head string
}

// pullRef is a pull request's ref: of GitHub, Gitea and Forgejo, or of GitLab.
var pullRef = regexp.MustCompile(`^refs/(?:pull|merge-requests)/([1-9][0-9]{0,8})/head$`)

// ErrNoPulls is a remote whose pull requests cannot be read, since it is not
// fetched from over http or ssh by this program itself.
var ErrNoPulls = errors.New("git source: pull requests are read over https and ssh alone")

// Pulls reads pull requests. Anybody may have written them: they are kept in a
// mirror of their own, which nothing that is applied is read from, within the
// limits of Config. It is for one goroutine.
type Pulls struct {
	s *Source
	n *network
	// brought are commits that the mirror has whole with their history.
	brought []plumbing.Hash
}

// OpenPulls makes or opens the mirror under Config.Dir; see Open.
func OpenPulls(cfg Config) (*Pulls, error) {
	s, err := Open(cfg)
	if err != nil {
		return nil, err
	}
	n, ok := s.remote.(*network)
	if !ok {
		return nil, errors.Join(ErrNoPulls, s.Close())
	}
	return &Pulls{s: s, n: n}, nil
}

// Close releases the mirror.
func (p *Pulls) Close() error { return p.s.Close() }

// List asks the remote for its pull requests, sorted by number, and the commit of
// the tracked branch.
func (p *Pulls) List(ctx context.Context) (all []Pull, branch string, err error) {
	err = p.talk(ctx, func(f *fetch) error {
		all, branch = pullsOf(f.refs), f.tip.String()
		return nil
	})
	return all, branch, err
}

// Bring fetches a pull request as it is now, and finds the commit of the tracked
// branch that it left from.
func (p *Pulls) Bring(ctx context.Context, number int) (head, fork Tip, err error) {
	began := time.Now()
	var branch, tip plumbing.Hash
	err = p.talk(ctx, func(f *fetch) error {
		branch = f.tip
		return p.bring(ctx, f)
	})
	if err == nil {
		err = p.talk(ctx, func(f *fetch) error {
			all := pullsOf(f.refs)
			at, ok := slices.BinarySearchFunc(all, number, func(x Pull, n int) int { return x.Number - n })
			if !ok {
				return fmt.Errorf("number %d is not among the remote's refs", number)
			}
			tip = plumbing.NewHash(all[at].Head)
			f.tip = tip
			return p.bring(ctx, f)
		})
	}
	if err != nil {
		return Tip{}, Tip{}, err
	}
	m := p.s.current.Load()
	if head, err = p.s.checked(m, tip, began); err == nil {
		fork, err = p.s.checked(m, p.fork(ctx, m, tip, branch), began)
	}
	return head, fork, err
}

// talk connects, has work done with the refs, and ends.
func (p *Pulls) talk(ctx context.Context, work func(*fetch) error) error {
	a, err := p.n.ask(ctx)
	if err != nil {
		return fmt.Errorf("pull requests: %w", err)
	}
	err = work(a.(*fetch))
	if closed := a.close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("pull requests: %w", err)
	}
	return nil
}

func pullsOf(refs *packp.AdvRefs) (all []Pull) {
	for name, head := range refs.References {
		if m := pullRef.FindStringSubmatch(name); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil {
				all = append(all, Pull{n, head.String()})
			}
		}
	}
	slices.SortFunc(all, func(a, b Pull) int { return a.Number - b.Number })
	return all
}

// bring fetches what the conversation is about, unless it is there, and judges it
// as the tracked branch's commits are.
func (p *Pulls) bring(ctx context.Context, f *fetch) error {
	m, err := p.fresh()
	if err != nil {
		return err
	}
	if !slices.Contains(p.brought, f.tip) {
		if err := f.bring(ctx, m, p.brought); err != nil {
			return err
		}
	}
	if err := m.verify(f.tip, p.s.cfg.Root); err != nil {
		return err
	}
	p.keep(f.tip)
	return nil
}

// keep remembers a commit that is there, as a beginning of the next fetch.
func (p *Pulls) keep(h plumbing.Hash) {
	p.brought = slices.DeleteFunc(p.brought, func(x plumbing.Hash) bool { return x == h })
	const most = 16
	p.brought = append(p.brought, h)[max(0, len(p.brought)+1-most):]
}

// fresh is the mirror, an empty one where enough has gathered: what it holds can
// all be fetched again.
func (p *Pulls) fresh() (*mirror, error) {
	m := p.s.current.Load()
	if !m.worn() {
		return m, nil
	}
	next, err := createMirror(p.s.cfg.Dir, m.number+1)
	if err != nil {
		return nil, err
	}
	p.brought = nil
	return next, p.s.replace(m, next)
}

// forkSteps bounds the search for where a pull request left the branch.
const forkSteps = 100_000

// fork is the newest commit of the branch that the head's own ones stand on; the
// branch's own where they have none in common, and the head where it has none.
func (p *Pulls) fork(ctx context.Context, m *mirror, head, branch plumbing.Hash) plumbing.Hash {
	w, own := m.walk(ctx, branch, head, forkSteps, forkSteps)
	// Commits of one second have no order, so that the branch may have met one of
	// them late: it goes on until it is past the oldest.
	for len(own) > 0 && len(w.queue) > 0 && !w.queue[0].Committer.When.Before(own[len(own)-1].Committer.When) && ctx.Err() == nil {
		w.next()
	}
	own = slices.DeleteFunc(own, func(c *object.Commit) bool { return w.had[c.Hash] })
	if len(own) == 0 {
		return head
	}
	var newest *object.Commit
	for _, c := range own {
		for _, h := range c.ParentHashes {
			if x, err := m.commit(h); w.had[h] && err == nil && (newest == nil || x.Committer.When.After(newest.Committer.When)) {
				newest = x
			}
		}
	}
	if newest == nil {
		return branch
	}
	return newest.Hash
}
