package source

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/bayplan/bayplan/schema"
)

// The codes of a Trouble. They are stable, for programs.
const (
	// CodeUnreachable: the remote does not answer.
	CodeUnreachable = "git-unreachable"
	// CodeUnauthorized: it answers and refuses who we are.
	CodeUnauthorized = "git-unauthorized"
	// CodeCredentials: a file with a user, token, key or certificate is unfit.
	CodeCredentials = "git-credentials"
	// CodeRepositoryMissing: there is no repository at that address.
	CodeRepositoryMissing = "git-repository-missing"
	// CodeBranchMissing: the repository has no such branch.
	CodeBranchMissing = "git-branch-missing"
	// CodeEmpty: the root folder of the newest commit holds no file.
	CodeEmpty = "git-empty"
	// CodeTree: the newest commit has more files than Config.MaxFiles, folders too
	// deep, or a name that is not UTF-8 or has control characters.
	CodeTree = "git-tree"
	// CodeRootMissing: the newest commit has no such root folder.
	CodeRootMissing = "git-root-missing"
	// CodeCorrupt: objects of the newest commit are damaged or missing.
	CodeCorrupt = "git-corrupt"
	// CodeUnsupported: the repository uses a format that cannot be read.
	CodeUnsupported = "git-unsupported"
	// CodeTooLarge: the remote holds or sends more than Config's limits.
	CodeTooLarge = "git-too-large"
	// CodeHostKeyUnknown: the ssh host is not in known_hosts.
	CodeHostKeyUnknown = "git-host-key-unknown"
	// CodeHostKeyChanged: the ssh host shows another key than known_hosts says.
	CodeHostKeyChanged = "git-host-key-changed"
	// CodeMirror: our own mirror cannot be written.
	CodeMirror = "git-mirror"
)

// fault is an error that knows how to be told: one cause and the next step.
type fault struct {
	code, text, next string
	cause            error
}

func (f *fault) Error() string {
	if f.cause == nil {
		return f.text
	}
	return f.text + ": " + f.cause.Error()
}

func (f *fault) Unwrap() error { return f.cause }

// about is a fault of one commit that could be read itself.
type about struct {
	revision schema.Revision
	*fault
}

func (a *about) Unwrap() error { return a.fault }

// patient says that asking again soon is pointless or rude: someone has to
// change something first.
func (f *fault) patient() bool {
	switch f.code {
	case CodeUnreachable, CodeCorrupt, CodeMirror:
		return false
	}
	return true
}

// answered says that the remote works and its content is what is wrong, so
// that the usual poll goes on without back-off.
func (f *fault) answered() bool {
	switch f.code {
	case CodeBranchMissing, CodeEmpty, CodeRootMissing, CodeTree:
		return true
	}
	return false
}

// faultOf finds the fault in err, or tells err as a remote that is away.
func (s *Source) faultOf(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	if e, ok := errors.AsType[*githttp.Err](err); ok {
		return &fault{CodeUnreachable, fmt.Sprintf("%s answers with status %d", s.cfg.URL, e.StatusCode()), "git ls-remote " + s.cfg.URL, nil}
	}
	if errors.Is(err, errTooLarge) {
		return &fault{CodeTooLarge, "a commit or directory of " + s.cfg.URL + " is larger than is read", "git ls-remote " + s.cfg.URL, err}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &fault{CodeUnreachable, s.cfg.URL + " did not answer in time", "git ls-remote " + s.cfg.URL, nil}
	}
	return &fault{CodeUnreachable, s.cfg.URL + " does not answer", "git ls-remote " + s.cfg.URL, withoutURL(err)}
}

// mirrorFault is a trouble with our own disk.
func mirrorFault(dir string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault](err); ok {
		return err
	}
	next := "ls -ld " + dir
	if errors.Is(err, syscall.ENOSPC) {
		next = "df -h " + dir
	}
	return &fault{CodeMirror, "the mirror in " + dir + " cannot be written", next, err}
}

// brokenMirror has the mirror built anew and says so.
func brokenMirror(m *mirror, url string) error {
	m.report()
	return &fault{CodeMirror, "the mirror in " + m.dir + " is damaged and is being built anew from " + url, "ask again", errDamaged}
}

func corruptFault(where string, err error) error {
	return &fault{CodeCorrupt, where + " is damaged", "git -C " + where + " fsck", err}
}

// corruptAt is damage at a remote that is fetched from.
func corruptAt(url string, err error) error {
	return &fault{CodeCorrupt, url + " sends damaged objects", "git clone --bare " + url + " check.git && git -C check.git fsck", err}
}

func (s *Source) emptyFault(commit string) *fault {
	return &fault{CodeEmpty, fmt.Sprintf("commit %s holds no file%s; the commit before stays in force", commit, inRoot(s.cfg.Root)),
		"git revert " + commit, nil}
}

func treeFault(commit, why string) *fault {
	return &fault{CodeTree, fmt.Sprintf("commit %s %s; the commit before stays in force", commit, why), "git revert " + commit, nil}
}

func tooDeepFault(commit string) *fault {
	return treeFault(commit, fmt.Sprintf("has folders more than %d deep", maxDepth))
}

func (s *Source) rootFault(commit string) *fault {
	return &fault{CodeRootMissing, fmt.Sprintf("commit %s has no folder %q, which is configured as the root", commit, s.cfg.Root),
		"git ls-tree -d -r --name-only " + commit, nil}
}

func inRoot(root string) string {
	if root == "." {
		return ""
	}
	return " in folder " + root
}

// missingBranch is what remotes say of a branch that is not there.
func missingBranch(cfg Config) error {
	return &fault{CodeBranchMissing, fmt.Sprintf("%s has no branch %q", cfg.URL, cfg.Branch),
		fmt.Sprintf("git push %s HEAD:refs/heads/%s", cfg.URL, cfg.Branch), nil}
}
