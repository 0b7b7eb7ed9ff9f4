package load

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Limits bound what a tree may cost. The zero value of a field means its default.
type Limits struct {
	// FileBytes is the size of one file; 1 MiB.
	FileBytes int64
	// PackageFiles is the number of files in one directory; 1,000.
	PackageFiles int
	// PackageBytes is the size of all files in one directory; 16 MiB, so that
	// no team alone uses up TreeBytes.
	PackageBytes int64
	// Packages is the number of directories with files; 10,000.
	Packages int
	// TreeBytes is the size of all files together, which stay in memory for
	// the time of one Load; 256 MiB.
	TreeBytes int64
	// Depth is how many folders deep a package may lie; 16.
	Depth int
	// WorkloadBytes is the size of one workload's JSON with defaults; 256 KiB,
	// since it travels in messages and is kept in the ledger.
	WorkloadBytes int
	// PackageTime is how long one package may be evaluated; 10 s, some ten times
	// what the largest sane one takes.
	PackageTime time.Duration
	// PackageWorkloads is the number of workloads in one package; 5,000.
	PackageWorkloads int
}

func (l Limits) withDefaults() Limits {
	orElse(&l.FileBytes, 1<<20)
	orElse(&l.PackageFiles, 1000)
	orElse(&l.PackageBytes, 16<<20)
	orElse(&l.Packages, 10_000)
	orElse(&l.TreeBytes, 256<<20)
	orElse(&l.Depth, 16)
	orElse(&l.WorkloadBytes, 256<<10)
	orElse(&l.PackageTime, DefaultPackageTime)
	orElse(&l.PackageWorkloads, 5000)
	return l
}

// DefaultPackageTime is the default of Limits.PackageTime.
const DefaultPackageTime = 10 * time.Second

func orElse[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// file is one file in memory; its name is the path from the root. data is nil,
// and not just empty, for one that breaks a limit: its package is refused.
type file struct {
	name string
	data []byte
}

// ext is ".cue", ".yaml" (also for .yml), ".json", or "" for what is not read.
func ext(name string) string {
	switch e := path.Ext(name); e {
	case ".yml":
		return ".yaml"
	case ".cue", ".yaml", ".json":
		return e
	}
	return ""
}

// tree is all that Load reads of a commit.
type tree struct {
	limits Limits
	// dirs holds the files of each directory, in the order of their names;
	// "." is the root. Folders below cue.mod are there for imports only.
	dirs map[string][]file
	// packages are the directories that are teams (or the root), sorted.
	packages []string
	// refused are packages whose files break a limit.
	refused map[string][]*Error
	// size and bytes are what the folders and all of them hold so far.
	size  map[string]int64
	bytes int64
}

// readTree reads all files once, in one goroutine: a tree of a Git library may
// not be safe for more. An error means that the tree is not all there, and then
// nothing of it counts.
func readTree(fsys fs.FS, limits Limits) (*tree, error) {
	t := &tree{limits: limits, dirs: map[string][]file{}, refused: map[string][]*Error{}, size: map[string]int64{}}
	if err := t.readDir(fsys, "."); err != nil {
		return nil, err
	}
	for dir := range t.dirs {
		if !vendored(dir) {
			t.packages = append(t.packages, dir)
		}
	}
	slices.Sort(t.packages)
	if len(t.packages) > limits.Packages {
		return nil, fmt.Errorf("the tree has %d packages, and %d are the limit: split the repository", len(t.packages), limits.Packages)
	}
	return t, nil
}

func vendored(dir string) bool {
	return dir == "cue.mod" || strings.HasPrefix(dir, "cue.mod/")
}

func (t *tree) readDir(fsys fs.FS, dir string) error {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return fmt.Errorf("reading %s: %w", dir, err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case ignored(e.Name()):
		case e.IsDir():
			err = t.enter(fsys, name)
		case e.Type().IsRegular() && ext(name) != "":
			err = t.readFile(fsys, dir, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ignored(base string) bool {
	return base[0] == '.' || base[0] == '_' ||
		strings.HasSuffix(base, "_tool.cue") || strings.HasSuffix(base, "_test.cue")
}

func (t *tree) enter(fsys fs.FS, dir string) error {
	if strings.Count(dir, "/")+1 > t.limits.Depth {
		t.refuse(dir, dir, fmt.Sprintf("folders may lie %d deep at most", t.limits.Depth))
		return nil
	}
	return t.readDir(fsys, dir)
}

func (t *tree) readFile(fsys fs.FS, dir, name string) error {
	data, err := readAtMost(fsys, name, t.limits.FileBytes+1)
	limit, tooLarge := sizeRefused(err)
	switch {
	case tooLarge:
	case err != nil:
		return fmt.Errorf("reading %s: %w", name, err)
	case int64(len(data)) > t.limits.FileBytes:
		limit, tooLarge = t.limits.FileBytes, true
	}
	switch {
	case len(t.dirs[dir]) == t.limits.PackageFiles:
		t.refuse(dir, dir, fmt.Sprintf("the folder has more than %d files, which is the limit", t.limits.PackageFiles))
		return nil
	case tooLarge:
		t.refuse(dir, name, fmt.Sprintf("the file has more than %d bytes, which is the limit", limit))
		data = nil
	}
	return t.keep(dir, file{name, data})
}

// keep holds a file in memory, within what its folder and the tree may take.
func (t *tree) keep(dir string, f file) error {
	t.size[dir] += int64(len(f.data))
	t.bytes += int64(len(f.data))
	if t.size[dir] > t.limits.PackageBytes {
		t.refuse(dir, dir, fmt.Sprintf("the files of the folder sum to more than %d bytes, which is the limit", t.limits.PackageBytes))
		t.bytes -= int64(len(f.data))
		f.data = nil
	}
	if t.bytes > t.limits.TreeBytes {
		return fmt.Errorf("the files of the tree sum to more than %d bytes: split the repository", t.limits.TreeBytes)
	}
	t.dirs[dir] = append(t.dirs[dir], f)
	return nil
}

// sizeRefused tells the error of a file system that does not open files above
// a size of its own. Such a file is its team's affair, unlike one that cannot
// be read, which means that the tree is not all there.
func sizeRefused(err error) (limit int64, ok bool) {
	var large interface{ TooLarge() (limit int64) }
	if !errors.As(err, &large) {
		return 0, false
	}
	return large.TooLarge(), true
}

func readAtMost(fsys fs.FS, name string, n int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, n))
}

// refuse keeps a package from being evaluated; one error of a kind is enough.
func (t *tree) refuse(dir, name, message string) {
	if t.dirs[dir] == nil {
		t.dirs[dir] = []file{}
	}
	e := &Error{Team: team(dir), File: name, Message: message, Next: nextSplit}
	if last := t.refused[dir]; len(last) == 0 || last[len(last)-1].compare(e) != 0 {
		t.refused[dir] = append(last, e)
	}
}

// team is the name of the team that a directory is.
func team(dir string) string {
	if dir == "." {
		return ""
	}
	return dir
}

// What to do about an error, as Error.Next.
const (
	nextValidate = "correct it and run: bayplan validate"
	nextSplit    = "split it, or keep it out of the way in a folder that begins with _"
	nextMove     = "move it into a folder, whose path becomes the team"
)
