package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/bayplan/bayplan/reconciler/source/internal/signed"
)

// Which commits have to be signed by one of Config.Signers.
const (
	// VerifyOff is none.
	VerifyOff = "off"
	// VerifyTip is the one that is to be applied: whoever signs it vouches for the
	// tree that it has.
	VerifyTip = "tip"
	// VerifyRange is each one since the last that was applied; with nothing applied
	// yet the newest alone, whose signer vouches for what came before.
	VerifyRange = "range"
)

// Signers are the files that name who may sign; they are read again for each
// commit. What the repository says about it counts for nothing.
type Signers = signed.Files

const (
	// maxRange bounds the commits that are checked at once, 0.1 to 1 ms each.
	maxRange = 10_000
	// maxRangeWalk bounds the commits that are read to find them.
	maxRangeWalk = 100_000
)

// Verify is why the signatures do not vouch for what the commit to brings on top
// of from, which is in force ("" before the first): "" where they do, or
// Config.Verify is off. An error means that it could not be found out.
func (s *Source) Verify(ctx context.Context, from, to string) (why string, err error) {
	if s.cfg.Verify == VerifyOff || from == to {
		return "", nil
	}
	keys, err := s.cfg.Signers.Read()
	if err != nil {
		return "", fmt.Errorf("the keys of those who may sign: %w", err)
	}
	m, tip := s.current.Load(), plumbing.NewHash(to)
	head, err := m.commit(tip)
	if err != nil {
		return "", err
	}
	all := []*object.Commit{head}
	if s.cfg.Verify == VerifyRange && from != "" {
		if all, why, err = m.brought(ctx, plumbing.NewHash(from), head); why != "" || err != nil {
			return why, err
		}
	}
	why, err = m.vouched(all, keys, time.Now())
	if errors.Is(err, errDamaged) {
		m.report()
	}
	return why, err
}

// brought are the commits of head's history that from's has not, newest first
// and head among them whatever the two are to each other; why says what keeps
// them from being known for certain.
func (m *mirror) brought(ctx context.Context, from plumbing.Hash, head *object.Commit) (all []*object.Commit, why string, err error) {
	if !m.has(from) {
		return nil, fmt.Sprintf("the repository has no commit %s any more, which is in force: what is new since cannot be told", short(from)), nil
	}
	w, found := m.walk(ctx, from, head.Hash, maxRange, maxRangeWalk)
	switch {
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case w.news > 0:
		return nil, fmt.Sprintf("it brings more than %d commits since %s, too many to check", maxRange, short(from)), nil
	case m.has(w.lost):
		m.report()
		return nil, "", fmt.Errorf("commit %s: %w", short(w.lost), errDamaged)
	case !w.lost.IsZero():
		return nil, fmt.Sprintf("commit %s, which it builds on, is not in the repository: whose it is cannot be told", short(w.lost)), nil
	}
	all = []*object.Commit{head}
	for _, c := range found {
		if !w.had[c.Hash] && c.Hash != head.Hash {
			all = append(all, c)
		}
	}
	return all, "", nil
}

func short(h plumbing.Hash) string { return h.String()[:10] }

// vouched is why not all of the commits are signed well: the oldest that is not,
// and how many there are.
func (m *mirror) vouched(all []*object.Commit, keys *signed.Keys, now time.Time) (why string, err error) {
	bad := 0
	for i, c := range all {
		raw, err := m.read(c.Hash, plumbing.CommitObject, maxMeta)
		if err != nil {
			return "", err
		}
		_, err = keys.Check(raw, c.Committer.When, now)
		refusal, refused := signed.IsRefusal(err)
		if err != nil && !refused {
			return "", err
		}
		if !refused {
			continue
		}
		bad++
		why = fmt.Sprintf("it %s (committed by %s)", refusal.Text, plain(c.Committer.String()))
		if i > 0 {
			why = fmt.Sprintf("commit %s, which it brings, %s (committed by %s)", short(c.Hash), refusal.Text, plain(c.Committer.String()))
		}
	}
	if bad > 1 {
		why += fmt.Sprintf("; and so for %d of the %d commits since", bad, len(all))
	}
	return oneLine(why), nil
}

// checkVerify rejects what would let nothing through, or all.
func (cfg *Config) checkVerify() error {
	switch cfg.Verify {
	case VerifyOff:
		return nil
	case VerifyTip, VerifyRange:
	default:
		return fmt.Errorf("git source: %q is no way to verify signatures: want %s, %s or %s", cfg.Verify, VerifyOff, VerifyTip, VerifyRange)
	}
	if cfg.Signers.AllowedSigners == "" && cfg.Signers.OpenPGP == "" {
		return errors.New("git source: to verify signatures name who may sign: a file of allowed ssh signers, or one of OpenPGP keys")
	}
	if _, err := cfg.Signers.Read(); err != nil {
		return fmt.Errorf("git source: the keys of those who may sign: %w", err)
	}
	return nil
}

// signersChanged has the Tip delivered once more after the files did, so that a
// commit that waits for a key is looked at again.
func (s *Source) signersChanged() {
	if s.cfg.Verify == VerifyOff {
		return
	}
	stamp := s.cfg.Signers.Stamp()
	if s.signers != "" && s.signers != stamp {
		s.again = true
	}
	s.signers = stamp
}
