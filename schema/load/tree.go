package load

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
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
	// TreeBytes is the size of all files that one Load reads, which stay in
	// memory for its time; 256 MiB.
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

// tree is what Load knows of a commit: where its folders are and what their
// contents hash to. Files are read when an evaluation asks for them, or where
// the file system cannot tell their hashes without.
type tree struct {
	limits Limits
	fsys   fs.FS
	// top is the scan of the whole, and folders are those with files by their
	// path; "." is the root. Folders below cue.mod are there for imports only.
	top *scan
	// beside is that of the operators' repository, and operators where their part is
	// in it; zero where it is in this one.
	beside    *scan
	operators Operators
	folders   map[string]*listing
	// root is the folder below which packages are: "." or an environment's.
	root string
	// sums is whether what teams ask for together is judged, see WithSums.
	sums bool
	// packages are the directories that are teams (or the root), sorted.
	packages []string

	mu sync.Mutex
	// open are the folders that were read, and bytes what they sum to.
	open  map[string]Folder
	bytes int64
	// err is why a file could not be read, or that the tree is too large: then it
	// is not all there, and nothing of it counts.
	err error
}

// readTree finds the folders of a tree. What is the same as in former, an
// earlier tree under the same limits or nil, is not listed again where the file
// system tells by a hash that it is.
func readTree(fsys fs.FS, limits Limits, env string, former *scan) (*tree, error) {
	t := &tree{limits: limits, root: rootOf(env), fsys: fsys, folders: map[string]*listing{}, open: map[string]Folder{}}
	top, err := t.scan(".", rootID(fsys), former)
	if err != nil {
		return nil, err
	}
	t.top = top
	top.each(func(l *listing) {
		t.folders[l.dir] = l
		if dir, ok := t.packageOf(l.dir); ok {
			t.packages = append(t.packages, dir)
		}
	})
	if len(t.packages) == 0 && env != "" {
		return nil, t.noEnvironment(env)
	}
	slices.Sort(t.packages)
	t.packages = slices.Compact(t.packages)
	if len(t.packages) > limits.Packages {
		return nil, fmt.Errorf("the tree has %d packages, and %d are the limit: split the repository", len(t.packages), limits.Packages)
	}
	return t, nil
}

func vendored(dir string) bool {
	return dir == "cue.mod" || strings.HasPrefix(dir, "cue.mod/")
}

// folder is the files of a directory, read once. After an error it is empty, and
// the tree says why.
func (t *tree) folder(dir string) Folder {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, ok := t.open[dir]; ok {
		return f
	}
	l := t.folders[dir]
	if l == nil || t.err != nil {
		return Folder{}
	}
	f, err := t.read(l)
	if err != nil {
		t.err = err
		return Folder{}
	}
	return t.keep(dir, f)
}

// failed is why the tree is not all there; nil if it is, as far as it was read.
func (t *tree) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// keep holds a folder for the time of the Load.
func (t *tree) keep(dir string, f Folder) Folder {
	for _, one := range f.Files {
		t.bytes += int64(len(one.Data))
	}
	if t.bytes > t.limits.TreeBytes {
		t.err = fmt.Errorf("the files of the tree sum to more than %d bytes: split the repository", t.limits.TreeBytes)
		return Folder{}
	}
	t.open[dir] = f
	return f
}

// read reads the files of a folder, within what each and all together may take.
func (t *tree) read(l *listing) (Folder, error) {
	out := Folder{Refused: slices.Clone(l.refused)}
	size := int64(0)
	for _, name := range l.names {
		f, why, err := t.readFile(name)
		if err != nil {
			return Folder{}, err
		}
		if size += int64(len(f.Data)); size > t.limits.PackageBytes {
			size -= int64(len(f.Data))
			f.Data, why = nil, refusal(l.dir, fmt.Sprintf("the files of the folder sum to more than %d bytes, which is the limit", t.limits.PackageBytes))
		}
		if why != nil && (len(out.Refused) == 0 || out.Refused[len(out.Refused)-1].compare(why) != 0) {
			out.Refused = append(out.Refused, why) // one of a kind is enough
		}
		out.Files = append(out.Files, f)
	}
	return out, nil
}

// readFile reads a file, or tells why the package goes without it: then its Data
// is nil. An error means that the tree is not all there.
func (t *tree) readFile(name string) (f File, why *Error, err error) {
	data, err := readAtMost(t.fsys, name, t.limits.FileBytes+1)
	limit, tooLarge := sizeRefused(err)
	switch {
	case tooLarge:
	case err != nil:
		return f, nil, fmt.Errorf("reading %s: %w", name, err)
	case int64(len(data)) > t.limits.FileBytes:
		limit, tooLarge = t.limits.FileBytes, true
	}
	if tooLarge {
		return File{Name: name}, refusal(name, fmt.Sprintf("the file has more than %d bytes, which is the limit", limit)), nil
	}
	return File{name, data}, nil, nil
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

// refusal is why a file, or a folder's files, are not read.
func refusal(name, message string) *Error {
	return &Error{File: name, Message: message, Next: nextSplit}
}

// What to do about an error, as Error.Next.
const (
	nextValidate = "correct it and run: bayplan validate"
	nextSplit    = "split it, or keep it out of the way in a folder that begins with _"
	nextMove     = "move it into a folder, whose path becomes the team"
)
