package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// local is a repository on this machine, bare or with a work tree, read
// directly. It is opened anew for each look, since go-git does not see what
// others write into a repository that it has open.
type local struct {
	cfg  Config
	path string
}

func newLocal(cfg Config, path string) *local { return &local{cfg, path} }

func (l *local) close() error { return nil }

func (l *local) ask(context.Context) (answer, error) {
	dir, err := gitDir(l.path)
	if err != nil {
		return nil, l.missing(err)
	}
	st := openStore(dir)
	head, err := l.branch(st)
	if err != nil {
		return nil, errors.Join(err, st.st.Close())
	}
	return &localAnswer{l, st, head}, nil
}

// branch reads what the branch points at.
func (l *local) branch(st *store) (head plumbing.Hash, err error) {
	defer shield(&err)
	if _, err := git.Open(st.st, nil); err != nil {
		return head, l.unreadable(err)
	}
	ref, err := storer.ResolveReference(st.st, branchRef(l.cfg.Branch))
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return head, missingBranch(l.cfg)
	}
	if err != nil {
		return head, corruptFault(l.path, err)
	}
	if ref.Hash().IsZero() {
		return head, corruptFault(l.path, fmt.Errorf("branch %q points at no commit", l.cfg.Branch))
	}
	return ref.Hash(), nil
}

func (l *local) missing(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &fault{CodeUnauthorized, "the server may not read " + l.path, "ls -ld " + l.path, err}
	}
	return &fault{CodeRepositoryMissing, "there is no Git repository at " + l.path, "git init --bare " + l.path, err}
}

// unreadable tells formats that go-git refuses from what is not there.
func (l *local) unreadable(err error) error {
	switch {
	case errors.Is(err, git.ErrRepositoryNotExists):
		return l.missing(nil)
	case errors.Is(err, git.ErrUnknownExtension), errors.Is(err, git.ErrUnsupportedExtensionRepositoryFormatVersion),
		errors.Is(err, git.ErrUnsupportedRepositoryFormatVersion):
		return &fault{CodeUnsupported, l.path + " uses a repository format that cannot be read here",
			"git clone --bare " + l.path + " and track the clone", err}
	}
	return corruptFault(l.path, err)
}

// complete copies the tree of a commit that is still in the repository.
func (l *local) complete(ctx context.Context, m *mirror, commit plumbing.Hash) error {
	dir, err := gitDir(l.path)
	if err != nil {
		return l.missing(err)
	}
	st := openStore(dir)
	defer st.st.Close()
	return l.copy(ctx, st, m, commit)
}

// copy brings a commit from a repository on this disk and tells whose fault it
// is if that fails.
func (l *local) copy(ctx context.Context, from *store, to *mirror, commit plumbing.Hash) error {
	err := copyCommit(ctx, from, to, commit, l.cfg.Root, l.cfg.packLimits())
	switch {
	case errors.Is(err, errTooLarge):
		return &fault{CodeTooLarge, l.path + " holds more than is taken from one repository", "git -C " + l.path + " count-objects -vH", err}
	case errors.Is(err, errDamaged):
		return corruptFault(l.path, err)
	}
	return err
}

type localAnswer struct {
	l    *local
	from *store
	tip  plumbing.Hash
}

func (a *localAnswer) head() plumbing.Hash { return a.tip }
func (a *localAnswer) close() error        { return a.from.st.Close() }

func (a *localAnswer) bring(ctx context.Context, m *mirror, _ []plumbing.Hash) error {
	return a.l.copy(ctx, a.from, m, a.tip)
}

// gitDir finds the directory with refs and objects: the path itself if bare,
// its .git, or where that points for a linked work tree.
func gitDir(path string) (string, error) {
	dir := path
	if st, err := os.Stat(filepath.Join(path, ".git")); err == nil {
		dir = filepath.Join(path, ".git")
		if !st.IsDir() {
			if dir, err = follow(dir, "gitdir:"); err != nil {
				return "", err
			}
		}
	}
	common, err := follow(filepath.Join(dir, "commondir"), "")
	if err == nil {
		dir = common
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "objects")); err != nil {
		return "", err
	}
	return dir, nil
}

// follow reads a file that holds a path, relative to its own directory.
func follow(file, prefix string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(data)), prefix)
	if !ok {
		return "", fmt.Errorf("%s does not begin with %q", file, prefix)
	}
	text = strings.TrimSpace(text)
	if !filepath.IsAbs(text) {
		text = filepath.Join(filepath.Dir(file), text)
	}
	return text, nil
}
