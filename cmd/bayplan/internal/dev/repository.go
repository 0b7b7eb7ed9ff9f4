package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

// branch is the one that the server follows.
const branch = "main"

// placeholder is the image that the sample names; the demo's registry has it
// under another name.
const placeholder = "registry.example/hello"

// initRepository makes a bare repository at path, unless there is one.
func initRepository(ctx context.Context, path string) error {
	if _, err := exec.LookPath("git"); err != nil {
		return errors.New("no git command in PATH; install it: apt-get install git")
	}
	return git(ctx, nil, "init", "--quiet", "--bare", "--template=", "--initial-branch="+branch, path)
}

// seed commits the files of sample to the branch, with image in place of the
// placeholder. A repository that has the branch is left alone. It returns the
// branch's commit.
func seed(ctx context.Context, path string, sample fs.FS, image string) (string, error) {
	if commit, err := head(ctx, path); err == nil {
		return commit, nil
	}
	stream, err := firstCommit(sample, image, time.Now())
	if err != nil {
		return "", err
	}
	if err := git(ctx, stream, "-C", path, "fast-import", "--quiet"); err != nil {
		return "", err
	}
	return head(ctx, path)
}

// head is the commit at the branch's tip.
func head(ctx context.Context, path string) (string, error) {
	out, err := gitCommand(ctx, "-C", path, "rev-parse", "--verify", "--quiet", "refs/heads/"+branch).Output()
	if err != nil {
		return "", fmt.Errorf("%s has no branch %s: %w", path, branch, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// firstCommit is the sample as git-fast-import(1) reads it, without Go sources:
// a repository holds what runs, not how it is made.
func firstCommit(sample fs.FS, image string, now time.Time) ([]byte, error) {
	const message = "hello: the sample\n"
	var b bytes.Buffer
	fmt.Fprintf(&b, "commit refs/heads/%s\ncommitter Bayplan <dev@bayplan.invalid> %d +0000\ndata %d\n%s",
		branch, now.Unix(), len(message), message)
	err := fs.WalkDir(sample, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := fs.ReadFile(sample, path)
		if err != nil {
			return err
		}
		text = bytes.ReplaceAll(text, []byte(placeholder), []byte(image))
		fmt.Fprintf(&b, "M 100644 inline %s\ndata %d\n%s\n", path, len(text), text)
		return nil
	})
	return b.Bytes(), err
}

func git(ctx context.Context, stdin []byte, args ...string) error {
	cmd := gitCommand(ctx, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}

// gitCommand runs git apart from any repository that this process may stand in.
func gitCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GIT_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	return cmd
}
