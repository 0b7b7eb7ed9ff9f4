package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
)

// ErrUnknownCommit is a hash, or the beginning of one, that names no commit in
// the mirror.
var ErrUnknownCommit = errors.New("no such commit")

const (
	// morePacks is how many fetches may each leave a pack before the mirror is
	// built anew: a read looks through every pack's index.
	morePacks = 50
	// moreLoose is the same for single objects, git's own number for gc.
	moreLoose = 6700
	// maxVerified bounds the memory of checked trees: 100 bytes each.
	maxVerified = 1 << 18
)

// mirror is one generation of the objects that we keep: a bare repository.
type mirror struct {
	*store
	number int
	// damaged is set by a reader that met a damaged object, which then calls hurt.
	damaged atomic.Bool
	hurt    func()
	// packs and loose are what came since the generation was built.
	packs, loose int
	// verified are trees that are whole with all below them, and what they hold.
	verified map[plumbing.Hash]shape
}

func generation(dir string, n int) string {
	return filepath.Join(dir, fmt.Sprintf("mirror-%06d.git", n))
}

// openNewest opens the newest generation in dir, or makes the first, and clears
// away what an earlier process left.
func openNewest(dir string) (*mirror, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, mirrorFault(dir, err)
	}
	newest := 0
	for _, e := range names {
		if n, ok := generationNumber(e.Name()); ok {
			newest = max(newest, n)
		}
	}
	for _, e := range names {
		n, ok := generationNumber(e.Name())
		if ok && n < newest || strings.HasSuffix(e.Name(), ".tmp") {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if newest == 0 {
		return createMirror(dir, 1)
	}
	return newMirror(generation(dir, newest), newest), err
}

func generationNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(strings.TrimSuffix(name, ".git"), "mirror-")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && strings.HasSuffix(name, ".git")
}

func newMirror(path string, n int) *mirror {
	return &mirror{store: openStore(path), number: n, verified: map[plumbing.Hash]shape{}, hurt: func() {}}
}

// createMirror makes an empty generation in its final place.
func createMirror(dir string, n int) (*mirror, error) {
	m, err := draftMirror(dir, n)
	if err != nil {
		return nil, err
	}
	return m, m.settle(dir)
}

// draftMirror makes an empty generation that a restart would clear away.
func draftMirror(dir string, n int) (*mirror, error) {
	path := generation(dir, n) + ".tmp"
	if err := os.RemoveAll(path); err != nil {
		return nil, mirrorFault(dir, err)
	}
	m := newMirror(path, n)
	if _, err := git.Init(m.st, nil); err != nil {
		return nil, mirrorFault(dir, err)
	}
	return m, nil
}

// settle moves a draft into its place.
func (m *mirror) settle(dir string) error {
	final := generation(dir, m.number)
	if err := os.Rename(m.dir, final); err != nil {
		return mirrorFault(dir, err)
	}
	m.dir = final
	m.packs, m.loose = 0, 0
	return m.reopen()
}

// discard closes the generation and removes it from the disk.
func (m *mirror) discard() error {
	return errors.Join(m.close(), os.RemoveAll(m.dir))
}

// report is how a reader tells of a damaged object.
func (m *mirror) report() {
	if !m.damaged.Swap(true) {
		m.hurt()
	}
}

// worn says that enough has gathered to build a new generation.
func (m *mirror) worn() bool { return m.packs > morePacks || m.loose > moreLoose }

// resolve finds a commit by its hash or an unambiguous beginning of it.
func (m *mirror) resolve(text string) (plumbing.Hash, error) {
	text = strings.ToLower(text)
	if len(text) < 4 || len(text) > 40 || strings.Trim(text, "0123456789abcdef") != "" {
		return plumbing.ZeroHash, fmt.Errorf("%q is no commit: want 4 to 40 hex digits: %w", text, ErrUnknownCommit)
	}
	found, err := m.withPrefix(text)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	found = slices.DeleteFunc(found, func(h plumbing.Hash) bool {
		if !strings.HasPrefix(h.String(), text) {
			return true
		}
		_, err := m.commit(h)
		return err != nil
	})
	slices.SortFunc(found, func(a, b plumbing.Hash) int { return strings.Compare(a.String(), b.String()) })
	found = slices.Compact(found)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return plumbing.ZeroHash, fmt.Errorf("commit %s is not in the mirror: %w", text, ErrUnknownCommit)
	}
	return plumbing.ZeroHash, fmt.Errorf("commit %s is ambiguous: %s and %s begin so", text, found[0], found[1])
}

// reaches says whether goal is start or one of its ancestors. It walks breadth
// first, so that a goal close by is found soon; history that is not here ends
// the walk on that side.
func (m *mirror) reaches(ctx context.Context, start, goal plumbing.Hash) (bool, error) {
	seen := map[plumbing.Hash]struct{}{start: {}}
	for queue := []plumbing.Hash{start}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == goal {
			return true, nil
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		c, err := m.commit(queue[0])
		if err != nil {
			continue
		}
		for _, p := range c.ParentHashes {
			if _, ok := seen[p]; !ok {
				seen[p] = struct{}{}
				queue = append(queue, p)
			}
		}
	}
	return false, nil
}
