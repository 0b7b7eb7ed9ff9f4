package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// What speaks to a remote.
const (
	// BackendGo is go-git, in this process.
	BackendGo = "go"
	// BackendExec is the git binary, for hosts that ask for more than go-git speaks.
	BackendExec = "exec"
)

// gitBinary is a remote that the git binary speaks to. It sees nothing of the user's
// or the machine's settings, runs no hook and asks nobody. What it fetches it
// writes into a repository of its own, that reads from the mirror; from there it
// goes the way of all packs.
type gitBinary struct {
	cfg  Config
	ep   *transport.Endpoint
	git  string
	hear func(changed func()) (func() error, error)
	// http has the credentials for http.
	http *httpRemote
}

func newBinary(cfg Config, ep *transport.Endpoint) (remote, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("git source: the backend %s wants git on this machine: %w", BackendExec, err)
	}
	b := &gitBinary{cfg: cfg, ep: ep, git: git, http: &httpRemote{cfg: cfg, ep: ep, tokens: newAppTokens(cfg.App)}, hear: (*network)(nil).listen}
	if ep.Protocol == "file" {
		b.hear = newLocal(cfg, ep.Path).listen
	}
	return b, nil
}

func (b *gitBinary) listen(changed func()) (func() error, error) { return b.hear(changed) }

func (b *gitBinary) close() error { return os.RemoveAll(b.scratch()) }

// complete finds nothing to do, as with any fetch.
func (b *gitBinary) complete(_ context.Context, m *mirror, _ plumbing.Hash) error {
	return brokenMirror(m, b.cfg.URL)
}

func (b *gitBinary) ask(ctx context.Context) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	out, err := b.run(ctx, "/", "ls-remote", "--quiet", "--", b.url(), branchRef(b.cfg.Branch).String())
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		hash, ref, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if ref == branchRef(b.cfg.Branch).String() && plumbing.IsHash(hash) {
			return &binaryAnswer{b, plumbing.NewHash(hash)}, nil
		}
	}
	return nil, missingBranch(b.cfg)
}

// url is as git wants it: a path may not be taken for a host.
func (b *gitBinary) url() string {
	if b.ep.Protocol == "file" {
		return "file://" + b.ep.Path
	}
	return b.cfg.URL
}

type binaryAnswer struct {
	b   *gitBinary
	tip plumbing.Hash
}

func (a *binaryAnswer) head() plumbing.Hash { return a.tip }
func (a *binaryAnswer) close() error        { return nil }

func (a *binaryAnswer) bring(ctx context.Context, m *mirror, haves []plumbing.Hash) error {
	b := a.b
	ctx, cancel := context.WithTimeout(ctx, b.cfg.FetchTimeout)
	defer cancel()
	dir := b.scratch()
	if err := errors.Join(os.RemoveAll(dir), b.prepare(dir, m, haves)); err != nil {
		return mirrorFault(b.cfg.Dir, err)
	}
	_, err := b.run(ctx, dir, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
		"--no-recurse-submodules", "--", b.url(), a.tip.String())
	switch {
	case err == nil:
		err = b.take(ctx, dir, m)
	case b.full(dir):
		err = tellCommon(b.cfg, errTooLarge)
	}
	return errors.Join(err, mirrorFault(b.cfg.Dir, os.RemoveAll(dir)))
}

// full is whether a pack came to its bound; git says only that something ended.
func (b *gitBinary) full(dir string) bool {
	parts, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", "tmp_pack_*")) // the pattern is good
	return slices.ContainsFunc(parts, func(name string) bool {
		st, err := os.Stat(name)
		return err == nil && st.Size() >= b.blocks()*512
	})
}

// blocks are how many of 512 bytes one file may have.
func (b *gitBinary) blocks() int64 { return b.cfg.MaxFetch/512 + 1 }

// scratch is cleared away by a restart, as a draft of a mirror is.
func (b *gitBinary) scratch() string { return filepath.Join(b.cfg.Dir, "fetch.tmp") }

// prepare makes a repository with the mirror's objects, whose refs are what we
// have: there a fetch begins.
func (b *gitBinary) prepare(dir string, m *mirror, haves []plumbing.Hash) error {
	objects, err := filepath.Abs(filepath.Join(m.dir, "objects"))
	if err != nil {
		return err
	}
	refs := ""
	for i, h := range haves {
		if m.has(h) {
			refs += fmt.Sprintf("%s refs/have/%d\n", h, i)
		}
	}
	for _, sub := range []string{"refs", "objects/info", "objects/pack"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	for name, text := range map[string]string{
		"HEAD": "ref: refs/heads/none\n", "config": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
		"objects/info/alternates": objects + "\n", "packed-refs": "# pack-refs with: peeled fully-peeled sorted\n" + refs,
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return err
}

// take brings what was fetched into the mirror.
func (b *gitBinary) take(ctx context.Context, dir string, m *mirror) error {
	packs, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	if err != nil {
		return err
	}
	for _, name := range packs {
		f, err := os.Open(name)
		if err != nil {
			return mirrorFault(b.cfg.Dir, err)
		}
		err = m.addPack(ctx, f, b.cfg.packLimits())
		f.Close()
		if errors.Is(err, errDamaged) {
			return corruptAt(b.cfg.URL, err)
		}
		if err != nil {
			return tellCommon(b.cfg, err)
		}
	}
	return nil
}

// bounds has the shell bound what the program after it may write in one file, in
// its blocks of 512 bytes, and hold in memory, in KiB.
const bounds = `ulimit -f "$1"; ulimit -d "$2" 2>/dev/null; shift 2; exec "$@"`

// gitMemory is what one process of git may hold: it inflates one object at a time.
const gitMemory = 2 << 20

// run runs git and returns what it prints. The command and all that it started
// end with ctx.
func (b *gitBinary) run(ctx context.Context, dir string, args ...string) (string, error) {
	env, err := b.environment()
	if err != nil {
		return "", err
	}
	shell := []string{"-c", bounds, "git", fmt.Sprint(b.blocks()), fmt.Sprint(gitMemory), b.git, "--git-dir=" + dir}
	if dir == "/" { // in no repository
		shell = shell[:len(shell)-1]
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", append(shell, args...)...)
	cmd.Dir, cmd.Env = "/", env
	var out bytes.Buffer
	var complaint head
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("git %s: %w", args[0], ctx.Err())
	}
	if err != nil {
		return "", b.tell(complaint.String(), err)
	}
	return out.String(), nil
}
