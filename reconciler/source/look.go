package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// repairEvery bounds how often readers can have the mirror built anew.
const repairEvery = time.Minute

// verdict is what a look found out about a commit, so that it is not judged
// again while the branch stays there.
type verdict struct {
	commit plumbing.Hash
	tip    Tip
	err    error
}

// look asks the remote once and judges what the branch points at: a Tip, or a
// fault that says why there is none.
func (s *Source) look(ctx context.Context, began time.Time) (Tip, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.signersChanged()
	a, err := s.remote.ask(ctx)
	if err != nil {
		return Tip{}, err
	}
	defer a.close()
	m := s.current.Load()
	if a.head() == s.judged.commit && !m.damaged.Load() {
		return s.judged.tip, s.judged.err
	}
	m, head, err := s.bring(ctx, m, a)
	if err != nil && !unfit(err) {
		return Tip{}, err
	}
	tip, err := s.checked(m, head, began)
	if errors.Is(err, errDamaged) {
		return Tip{}, brokenMirror(m, s.cfg.URL)
	}
	return tip, s.judge(head, tip, err)
}

// judge records what became of a commit.
func (s *Source) judge(h plumbing.Hash, tip Tip, err error) error {
	s.state.Fetched = h.String()
	if err == nil {
		s.state.Accepted = h.String()
	}
	s.judged = verdict{h, tip, err}
	if werr := s.state.write(s.statePath()); werr != nil {
		return errors.Join(err, mirrorFault(s.cfg.Dir, werr))
	}
	return err
}

// bring makes the mirror hold the branch's head whole, building a new
// generation where the present one turns out damaged. The head is the answer's,
// or that of the answer which a new generation came from: the branch may have
// moved in between.
func (s *Source) bring(ctx context.Context, m *mirror, a answer) (*mirror, plumbing.Hash, error) {
	if m.damaged.Load() {
		return s.repair(ctx, m)
	}
	err := m.verify(a.head(), s.cfg.Root)
	if !errors.Is(err, errDamaged) {
		return m, a.head(), err
	}
	if err := a.bring(ctx, m, s.state.haves()); err != nil {
		return m, a.head(), err
	}
	err = m.verify(a.head(), s.cfg.Root)
	if errors.Is(err, errDamaged) {
		return s.rebuild(ctx, m, err.Error())
	}
	return m, a.head(), err
}

// repair replaces a generation in which a reader met a damaged object, and has
// the present commit delivered again. A disk that damages one generation after
// the other is not given one after the other.
func (s *Source) repair(ctx context.Context, m *mirror) (*mirror, plumbing.Hash, error) {
	if time.Since(s.repaired) < repairEvery {
		return m, plumbing.ZeroHash, &fault{CodeMirror, "the mirror in " + s.cfg.Dir + " is damaged again, soon after it was built anew", "dmesg | tail", nil}
	}
	m, head, err := s.rebuild(ctx, m, "a damaged object")
	if err == nil {
		s.repaired, s.again = time.Now(), true
	}
	return m, head, err
}

// rebuild fetches everything into a new generation and puts it in the place of
// the present one, and says where the branch was then. If that fails the present
// one stays.
func (s *Source) rebuild(ctx context.Context, old *mirror, why string) (*mirror, plumbing.Hash, error) {
	s.log.Info("git mirror is built anew", "why", why)
	a, err := s.remote.ask(ctx)
	if err != nil {
		return old, plumbing.ZeroHash, err
	}
	defer a.close()
	m, err := draftMirror(s.cfg.Dir, old.number+1)
	if err != nil {
		return old, plumbing.ZeroHash, err
	}
	err = s.fill(ctx, m, old, a)
	if err == nil {
		err = m.settle(s.cfg.Dir)
	}
	if err != nil {
		return old, plumbing.ZeroHash, errors.Join(err, m.discard())
	}
	return m, a.head(), s.replace(old, m)
}

// fill fetches into an empty generation, and takes along what is in force.
func (s *Source) fill(ctx context.Context, m, old *mirror, a answer) error {
	if err := a.bring(ctx, m, nil); err != nil {
		return err
	}
	if err := m.verify(a.head(), s.cfg.Root); err != nil && !unfit(err) {
		return corruptFault(s.cfg.URL, err)
	}
	if s.state.Accepted == "" {
		return nil
	}
	err := copyCommit(ctx, old.store, m, plumbing.NewHash(s.state.Accepted), s.cfg.Root, s.cfg.packLimits())
	if err != nil && !m.has(plumbing.NewHash(s.state.Accepted)) {
		s.log.Warn("git mirror: the former commit could not be kept", "rev", s.state.Accepted, "err", err)
	}
	return nil
}

// replace makes m current. The generation before the present one goes; the
// present one stays for those who are reading it.
func (s *Source) replace(old, m *mirror) error {
	m.hurt = s.nudge
	s.current.Store(m)
	s.judged = verdict{}
	var err error
	if s.former != nil {
		err = s.former.discard()
	}
	s.former = old
	return mirrorFault(s.cfg.Dir, err)
}

// tipOf judges a commit of the mirror.
func (s *Source) tipOf(m *mirror, h plumbing.Hash, began time.Time) (Tip, error) {
	c, err := m.commit(h)
	if err != nil {
		return Tip{}, err
	}
	way, err := m.folders(c.TreeHash, s.cfg.Root)
	if errors.Is(err, errNoFolder) {
		return Tip{}, &about{revisionOf(c), s.rootFault(h.String()[:10])}
	}
	if err != nil {
		return Tip{}, err
	}
	root := way[len(way)-1]
	ok, err := m.hasFile(root, 0, map[plumbing.Hash]bool{})
	if errors.Is(err, errTooDeep) {
		return Tip{}, &about{revisionOf(c), tooDeepFault(h.String()[:10])}
	}
	if err != nil {
		return Tip{}, err
	}
	if !ok {
		return Tip{}, &about{revisionOf(c), s.emptyFault(h.String()[:10])}
	}
	return Tip{Revision: revisionOf(c), Files: newFiles(m, root, c.Committer.When, s.cfg.MaxFile), Detected: began}, nil
}

// accepted is the last commit that was good, from the mirror alone; nil if
// there is none.
func (s *Source) accepted(began time.Time) (*Tip, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.state.Accepted == "" {
		return nil, nil
	}
	m, h := s.current.Load(), plumbing.NewHash(s.state.Accepted)
	if err := m.verify(h, s.cfg.Root); err != nil {
		return nil, fmt.Errorf("commit %s in the mirror: %w", s.state.Accepted, err)
	}
	tip, err := s.checked(m, h, began)
	if err != nil {
		return nil, err
	}
	return &tip, nil
}

// lastAccepted is the last commit that was found good, by an earlier run too;
// "" if none.
func (s *Source) lastAccepted() string {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.state.Accepted
}

// redeliver says, once, that the present commit has to be delivered again.
func (s *Source) redeliver() bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	again := s.again
	s.again = false
	return again
}

// tidy builds a worn mirror anew, at a time when nothing waits for it.
func (s *Source) tidy(ctx context.Context) {
	s.writing.Lock()
	defer s.writing.Unlock()
	m := s.current.Load()
	if !m.worn() {
		return
	}
	if _, _, err := s.rebuild(ctx, m, "many packs"); err != nil {
		m.packs, m.loose = 0, 0 // so as not to try at every look
		s.log.Warn("git mirror: building it anew", "err", err)
	}
}
