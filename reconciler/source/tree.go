package source

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxDepth is how many directories deep a tree is followed: more than any
// layout of teams needs, and a bound for trees made to be endless.
const maxDepth = 40

// entry is one name of a directory: a file or a directory, nothing else.
type entry struct {
	name string
	hash plumbing.Hash
	mode filemode.FileMode
}

func (e entry) isDir() bool { return e.mode == filemode.Dir }

// tree reads a directory's entries, sorted by name. Symbolic links, submodules
// and names that no path can hold are left out.
func (s *store) tree(h plumbing.Hash) (entries []entry, err error) {
	entries, _, err = s.list(h)
	return entries, err
}

// list is tree with what it leaves out.
func (s *store) list(h plumbing.Hash) (entries []entry, out []object.TreeEntry, err error) {
	data, err := s.read(h, plumbing.TreeObject, maxMeta)
	if err != nil {
		return nil, nil, err
	}
	defer shield(&err)
	var t object.Tree
	if err := t.Decode(memory(plumbing.TreeObject, data)); err != nil {
		return nil, nil, fmt.Errorf("tree %s: %w", h, damaged(err))
	}
	entries = make([]entry, 0, len(t.Entries))
	for _, e := range t.Entries {
		if usable(e) {
			entries = append(entries, entry{e.Name, e.Hash, e.Mode})
		} else {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return slices.CompactFunc(entries, func(a, b entry) bool { return a.name == b.name }), out, nil
}

func usable(e object.TreeEntry) bool {
	switch e.Mode {
	case filemode.Dir, filemode.Regular, filemode.Executable:
		return named(e.Name)
	}
	return false
}

// named is whether a name can be one part of a path, in UTF-8, on one line.
func named(name string) bool {
	return name != "." && !strings.Contains(name, "/") && fs.ValidPath(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// find is the entry of that name, if any.
func find(entries []entry, name string) (entry, bool) {
	i, ok := slices.BinarySearchFunc(entries, name, func(e entry, n string) int { return cmp.Compare(e.name, n) })
	if !ok {
		return entry{}, false
	}
	return entries[i], true
}

// folders are the tree hashes on the way from a commit's top to root, both
// included; errNoFolder if there is none of that name.
func (s *store) folders(top plumbing.Hash, root string) ([]plumbing.Hash, error) {
	way := []plumbing.Hash{top}
	if root == "." {
		return way, nil
	}
	for name := range strings.SplitSeq(root, "/") {
		entries, err := s.tree(way[len(way)-1])
		if err != nil {
			return nil, err
		}
		e, ok := find(entries, name)
		if !ok || !e.isDir() {
			return nil, errNoFolder
		}
		way = append(way, e.hash)
	}
	return way, nil
}

// errNoFolder is a root folder that a commit does not have.
var errNoFolder = errors.New("no such folder")

// hasFile says whether any file stands below a tree. seen are trees that are there
// more than once and have none.
func (s *store) hasFile(tree plumbing.Hash, depth int, seen map[plumbing.Hash]bool) (bool, error) {
	if seen[tree] {
		return false, nil
	}
	if depth >= maxDepth {
		return false, errTooDeep
	}
	seen[tree] = true
	entries, err := s.tree(tree)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(entries, func(e entry) bool { return !e.isDir() }) {
		return true, nil
	}
	for _, e := range entries {
		if ok, err := s.hasFile(e.hash, depth+1, seen); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}
