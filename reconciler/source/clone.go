package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Clone is a user's own clone of the repository, in which a commit is made for
// them. Their work tree and the branch that they are on are never touched.
type Clone struct{ repo *git.Repository }

// OpenClone finds the clone that dir is in.
func OpenClone(dir string) (*Clone, error) {
	r, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if err != nil {
		return nil, fmt.Errorf("clone %s: %w", dir, err)
	}
	return &Clone{r}, nil
}

// Dirty are the files of the work tree that differ from its commit, sorted.
func (c *Clone) Dirty() (paths []string, err error) {
	w, err := c.repo.Worktree()
	if errors.Is(err, git.ErrIsBareRepository) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := w.Status()
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	for name, s := range st {
		if s.Worktree != git.Unmodified && s.Worktree != git.Untracked || s.Staging != git.Unmodified && s.Staging != git.Untracked {
			paths = append(paths, name)
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// Has is whether the clone has the commit.
func (c *Clone) Has(commit string) bool {
	_, err := c.repo.CommitObject(plumbing.NewHash(commit))
	return err == nil
}

// HasBranch is whether there is a branch of that name.
func (c *Clone) HasBranch(name string) bool {
	_, err := c.repo.Reference(plumbing.NewBranchReferenceName(name), false)
	return err == nil
}

// Differ are the files right in a folder that two commits have not alike, sorted.
func (c *Clone) Differ(a, b, folder string) (files []string, err error) {
	in, err := c.filesIn(a, folder)
	if err != nil {
		return nil, err
	}
	other, err := c.filesIn(b, folder)
	if err != nil {
		return nil, err
	}
	for name, e := range in {
		if o, both := other[name]; !both || o.Hash != e.Hash || o.Mode != e.Mode {
			files = append(files, path.Join(folder, name))
		}
	}
	for name := range other {
		if _, both := in[name]; !both {
			files = append(files, path.Join(folder, name))
		}
	}
	slices.Sort(files)
	return files, nil
}

func (c *Clone) filesIn(commit, folder string) (map[string]object.TreeEntry, error) {
	t, err := c.tree(commit)
	if err != nil {
		return nil, err
	}
	if folder != "" && folder != "." {
		if t, err = t.Tree(folder); errors.Is(err, object.ErrDirectoryNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	all := map[string]object.TreeEntry{}
	for _, e := range t.Entries {
		if e.Mode == filemode.Regular || e.Mode == filemode.Executable {
			all[e.Name] = e
		}
	}
	return all, nil
}

func (c *Clone) tree(commit string) (*object.Tree, error) {
	o, err := c.repo.CommitObject(plumbing.NewHash(commit))
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", commit, err)
	}
	return o.Tree()
}

// CheckOut writes a commit's regular files below dir, or of those only the named
// ones; what is named and not in the commit is removed there.
func (c *Clone) CheckOut(commit, dir string, only ...string) error {
	t, err := c.tree(commit)
	if err != nil {
		return err
	}
	for _, name := range only {
		if _, err := t.File(name); errors.Is(err, object.ErrFileNotFound) {
			if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return t.Files().ForEach(func(f *object.File) error {
		if f.Mode != filemode.Regular && f.Mode != filemode.Executable || !filepath.IsLocal(f.Name) || len(only) > 0 && !slices.Contains(only, f.Name) {
			return nil
		}
		return writeOut(f, filepath.Join(dir, filepath.FromSlash(f.Name)))
	})
}

func writeOut(f *object.File, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	r, err := f.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// Branch makes a branch with one commit on top of onto, which has the named files
// as they are in from.
func (c *Clone) Branch(name, onto, from string, files []string, message string) (commit string, err error) {
	if c.HasBranch(name) {
		return "", fmt.Errorf("branch %s is there already", name)
	}
	who, err := c.author()
	if err != nil {
		return "", err
	}
	top, err := c.tree(onto)
	if err != nil {
		return "", err
	}
	source, err := c.tree(from)
	if err != nil {
		return "", err
	}
	hash := top.Hash
	for _, f := range files {
		entry, err := source.FindEntry(f)
		if err != nil && !errors.Is(err, object.ErrEntryNotFound) && !errors.Is(err, object.ErrDirectoryNotFound) {
			return "", err
		}
		if hash, err = c.replace(hash, strings.Split(f, "/"), entry); err != nil {
			return "", err
		}
	}
	h, err := storeObject(c.repo.Storer, &object.Commit{Author: who, Committer: who, Message: message, TreeHash: hash,
		ParentHashes: []plumbing.Hash{plumbing.NewHash(onto)}})
	if err != nil {
		return "", err
	}
	return h.String(), c.repo.Storer.SetReference(plumbing.NewHashReference(plumbing.NewBranchReferenceName(name), h))
}

// author is who git would say made a commit here.
func (c *Clone) author() (object.Signature, error) {
	cfg, err := c.repo.ConfigScoped(config.GlobalScope)
	if err != nil {
		return object.Signature{}, err
	}
	if cfg.User.Name == "" || cfg.User.Email == "" {
		return object.Signature{}, errors.New("git does not know who you are: git config user.name, and user.email")
	}
	return object.Signature{Name: cfg.User.Name, Email: cfg.User.Email, When: time.Now()}, nil
}

// replace is the tree with another entry at a path, or without one where entry
// is nil.
func (c *Clone) replace(tree plumbing.Hash, way []string, entry *object.TreeEntry) (plumbing.Hash, error) {
	t := &object.Tree{}
	if !tree.IsZero() {
		var err error
		if t, err = c.repo.TreeObject(tree); err != nil {
			return tree, err
		}
	}
	entries := slices.Clone(t.Entries)
	at := slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == way[0] })
	put := object.TreeEntry{Name: way[0], Mode: filemode.Dir}
	if len(way) > 1 {
		below := plumbing.ZeroHash
		if at >= 0 && entries[at].Mode == filemode.Dir {
			below = entries[at].Hash
		}
		var err error
		if put.Hash, err = c.replace(below, way[1:], entry); err != nil {
			return tree, err
		}
	} else if entry != nil {
		put.Mode, put.Hash = entry.Mode, entry.Hash
	}
	if at >= 0 {
		entries = slices.Delete(entries, at, at+1)
	}
	if !put.Hash.IsZero() {
		entries = append(entries, put)
	}
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	sort.Sort(object.TreeEntrySorter(entries))
	return storeObject(c.repo.Storer, &object.Tree{Entries: entries})
}
