package tree

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/schema"
)

// Range is two commits of the repository that one is in, as "A..B" names them;
// "A...B" is from where B left A.
type Range struct{ Base, Head schema.Revision }

// IsRange tells "A..B" from a folder's name.
func IsRange(arg string) bool {
	return strings.Contains(arg, "..") && !strings.HasPrefix(arg, ".") && !strings.HasPrefix(arg, "/") && !strings.Contains(arg, "/..")
}

// ParseRange finds the commits; a side that is left out is HEAD.
func ParseRange(ctx context.Context, dir, arg string) (Range, error) {
	base, head, fork := strings.Cut(arg, "...")
	if !fork {
		base, head, _ = strings.Cut(arg, "..")
	}
	var r Range
	var err error
	if r.Base, err = Commit(ctx, dir, base); err != nil {
		return r, err
	}
	if r.Head, err = Commit(ctx, dir, head); err != nil {
		return r, err
	}
	if !fork {
		return r, nil
	}
	at, err := git(ctx, dir, "merge-base", r.Base.Commit, r.Head.Commit)
	if err != nil {
		return r, exit.Usagef("name commits of one history, or compare them as they are: A..B", "%s and %s have no commit in common", base, head)
	}
	r.Base, err = Commit(ctx, dir, strings.TrimSpace(string(at)))
	return r, err
}

// Commit is what a name of Git stands for; "" is HEAD.
func Commit(ctx context.Context, dir, name string) (schema.Revision, error) {
	if name == "" {
		name = "HEAD"
	}
	out, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		return schema.Revision{}, noCommit(ctx, dir, name, err)
	}
	r := revisionAt(ctx, dir, strings.TrimSpace(string(out)))
	if r.Commit == "" {
		return r, fmt.Errorf("git cannot read commit %s", name)
	}
	return r, nil
}

func noCommit(ctx context.Context, dir, name string, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return &exit.Error{Code: exit.Failure, Err: errors.New("reading commits needs git, which is not installed"), Next: "install git, or name a folder"}
	}
	if _, err := git(ctx, dir, "rev-parse", "--git-dir"); err != nil {
		return exit.Usagef("go into your repository, or name a folder", "this is no Git repository, so that %q names no commit", name)
	}
	return exit.Usagef("name a commit, a branch or a tag; or fetch it first: git fetch", "%q is no commit here", name)
}

// git asks the git binary one question about the repository that dir is in.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	return exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
}

// maxBlob is the largest file that is read, a bit above what the loader takes: so
// that it is the loader that tells of one that is too large.
const maxBlob = 1<<20 + 1

// At is the tree of a commit as the server would read it: plain files alone.
func At(ctx context.Context, dir, commit string) (fs.FS, error) {
	list, err := git(ctx, dir, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit)
	if err != nil {
		return nil, fmt.Errorf("git cannot list commit %.10s: %w", commit, err)
	}
	names, blobs := plainFiles(list)
	top, err := git(ctx, dir, "rev-parse", "--git-dir")
	if err != nil {
		return nil, fmt.Errorf("git: %w", err)
	}
	gitDir := strings.TrimSpace(string(top))
	if !path.IsAbs(gitDir) {
		gitDir = path.Join(dir, gitDir)
	}
	return readBlobs(ctx, gitDir, names, blobs)
}

// plainFiles are the names and blobs in a listing that the loader may read: what
// lies below a folder that it passes over is left out.
func plainFiles(list []byte) (names, blobs []string) {
	for line := range bytes.SplitSeq(list, []byte{0}) {
		head, name, found := strings.Cut(string(line), "\t")
		fields := strings.Fields(head)
		if !found || len(fields) != 3 || fields[1] != "blob" || !strings.HasPrefix(fields[0], "100") || !fs.ValidPath(name) {
			continue
		}
		switch path.Ext(name) {
		case ".cue", ".yaml", ".yml", ".json":
			names, blobs = append(names, name), append(blobs, fields[2])
		}
	}
	return names, blobs
}

// readBlobs makes a file system of blobs, all read by one process.
func readBlobs(ctx context.Context, gitDir string, names, blobs []string) (fs.FS, error) {
	cmd := exec.CommandContext(ctx, "git", "--git-dir", gitDir, "cat-file", "--batch")
	cmd.Stdin = strings.NewReader(strings.Join(blobs, "\n") + "\n")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("git: %w", err)
	}
	var packed bytes.Buffer
	err = pack(&packed, bufio.NewReader(out), names)
	if _, drained := io.Copy(io.Discard, out); err == nil {
		err = drained
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = ended
	}
	if err != nil {
		return nil, fmt.Errorf("git cannot read the files: %w", err)
	}
	return zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
}

// pack keeps the blobs, in the order of their names, as an archive in memory:
// which is a file system.
func pack(to io.Writer, from *bufio.Reader, names []string) error {
	z := zip.NewWriter(to)
	for _, name := range names {
		head, err := from.ReadString('\n')
		if err != nil {
			return err
		}
		fields := strings.Fields(head)
		if len(fields) != 3 {
			return fmt.Errorf("%s is missing: %s", name, strings.TrimSpace(head))
		}
		size, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return err
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return err
		}
		keep := min(size, maxBlob)
		if _, err := io.CopyN(f, from, keep); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, from, size-keep+1); err != nil { // and the line's end
			return err
		}
	}
	return z.Close()
}

// revisionAt is a commit's, or an empty one where git does not know it.
func revisionAt(ctx context.Context, dir, commit string) schema.Revision {
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	out, err := git(ctx, dir, "log", "-1", "--format=%H%x00%cI%x00%an <%ae>%x00%s%x00%b", "--end-of-options", commit, "--")
	parts := strings.SplitN(string(out), "\x00", 5)
	if err != nil || len(parts) != 5 {
		return schema.Revision{}
	}
	at, err := time.Parse(time.RFC3339, parts[1])
	if err != nil {
		at = time.Time{}
	}
	return schema.Revision{Commit: parts[0], Time: at, Author: parts[2], Subject: parts[3], Body: parts[4]}
}
