package source

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// errTooDeep is a tree with more than maxDepth folders one in the other.
var errTooDeep = fmt.Errorf("folders more than %d deep", maxDepth)

// shape is what a tree holds with all below it. A tree that is there many times
// counts as often, and is read once.
type shape struct {
	files  int64
	height int
	// bad is a name that no path can have; link and module are a symbolic link
	// and a submodule, as paths from the tree.
	bad, link, module string
}

// verify checks that the commit is here and the tree of its root folder is
// whole: errDamaged if not, errNoFolder if there is no such folder, errTooDeep if
// it has no end. Files are looked for, not read: their content is checked against
// its hash when it comes and when it is read.
func (m *mirror) verify(commit plumbing.Hash, root string) error {
	_, err := m.survey(commit, root)
	return err
}

// survey is verify, and says what the root folder holds.
func (m *mirror) survey(commit plumbing.Hash, root string) (shape, error) {
	c, err := m.commit(commit)
	if err != nil {
		return shape{}, err
	}
	way, err := m.folders(c.TreeHash, root)
	if err != nil {
		return shape{}, err
	}
	if len(m.verified) > maxVerified {
		clear(m.verified)
	}
	return m.shape(way[len(way)-1], 0)
}

func (m *mirror) shape(h plumbing.Hash, depth int) (shape, error) {
	if s, ok := m.verified[h]; ok && depth+s.height <= maxDepth {
		return s, nil
	} else if ok || depth >= maxDepth {
		return shape{}, errTooDeep
	}
	entries, out, err := m.list(h)
	if err != nil {
		return shape{}, err
	}
	s := shape{height: 1}
	for _, e := range out {
		switch {
		case !named(e.Name):
			s.bad = e.Name
		case e.Mode == filemode.Symlink:
			s.link = e.Name
		default:
			s.module = e.Name
		}
	}
	for _, e := range entries {
		if err := m.count(&s, e, depth); err != nil {
			return shape{}, err
		}
	}
	m.verified[h] = s
	return s, nil
}

// count adds one entry of a tree to its shape.
func (m *mirror) count(s *shape, e entry, depth int) error {
	if !e.isDir() {
		if !m.has(e.hash) {
			return fmt.Errorf("file %s: blob %s: %w", e.name, e.hash, errDamaged)
		}
		s.files = min(s.files+1, math.MaxInt32)
		return nil
	}
	below, err := m.shape(e.hash, depth+1)
	if err != nil {
		return err
	}
	s.files = min(s.files+below.files, math.MaxInt32)
	s.height = max(s.height, below.height+1)
	for _, x := range []struct {
		to    *string
		below string
	}{{&s.bad, below.bad}, {&s.link, below.link}, {&s.module, below.module}} {
		if *x.to == "" && x.below != "" {
			*x.to = e.name + "/" + x.below
		}
	}
	return nil
}

// unfit is whether err is about a commit that is whole, and cannot be taken as it
// is.
func unfit(err error) bool { return errors.Is(err, errNoFolder) || errors.Is(err, errTooDeep) }

// fits is why a commit's tree cannot be taken, and else the warnings about it.
// What else may be wrong with the commit is tipOf's to tell.
func (s *Source) fits(m *mirror, h plumbing.Hash) (warnings []string, err error) {
	c, err := m.commit(h)
	if err != nil {
		return nil, err
	}
	sh, err := m.survey(h, s.cfg.Root)
	switch {
	case errors.Is(err, errNoFolder):
		return nil, nil
	case errors.Is(err, errTooDeep):
		return nil, &about{revisionOf(c), tooDeepFault(short(h))}
	case err != nil:
		return nil, err
	case sh.bad != "":
		return nil, &about{revisionOf(c), treeFault(short(h), fmt.Sprintf("has a name that is not UTF-8 on one line, or leads elsewhere: %.200q", sh.bad))}
	case sh.files > int64(s.cfg.MaxFiles):
		return nil, &about{revisionOf(c), treeFault(short(h), fmt.Sprintf("has %s%s, and at most %d are taken", atLeast(sh.files), inRoot(s.cfg.Root), s.cfg.MaxFiles))}
	}
	return s.warnings(m, c, sh), nil
}

// checked is a commit as a Tip whose tree fits. writing is held.
func (s *Source) checked(m *mirror, h plumbing.Hash, began time.Time) (Tip, error) {
	warnings, err := s.fits(m, h)
	if err != nil {
		return Tip{}, err
	}
	tip, err := s.tipOf(m, h, began)
	tip.Warnings = warnings
	return tip, err
}

func atLeast(files int64) string {
	if files >= math.MaxInt32 {
		return "billions of files"
	}
	return fmt.Sprintf("%d files", files)
}

// warnings are about what a repository may well hold and a Tip does not.
func (s *Source) warnings(m *mirror, c *object.Commit, sh shape) (all []string) {
	if sh.link != "" {
		all = append(all, fmt.Sprintf("symbolic links are not followed: %q is none of the files", sh.link))
	}
	if sh.module != "" {
		all = append(all, fmt.Sprintf("submodules are not looked into: the folder %q is empty", sh.module))
	}
	if s.usesLFS(m, c.TreeHash) {
		all = append(all, "files in Git LFS are not fetched: what is read of them are the pointers to them")
	}
	return all
}

// usesLFS looks where a repository says so, at its top.
func (s *Source) usesLFS(m *mirror, top plumbing.Hash) bool {
	entries, err := m.tree(top)
	if err != nil {
		return false
	}
	e, ok := find(entries, ".gitattributes")
	if !ok || e.isDir() || !m.has(e.hash) {
		return false
	}
	text, err := m.read(e.hash, plumbing.BlobObject, s.cfg.MaxFile)
	return err == nil && strings.Contains(string(text), "filter=lfs")
}
