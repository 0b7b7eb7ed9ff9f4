// Package quota bounds what a folder holds, where its file system offers project
// quotas: ext4 (made with the features project and quota) and xfs, mounted with
// prjquota. A folder gets a project of its own, which all that comes into it
// inherits; the file system is the one record of who has which.
//
// In the machine's user namespace the owner of a file may give it to another
// project, root or not. So a container whose volume is bounded must be kept from
// the system calls that do: see [seccomp.Bounded].
package quota

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNone is what a file system says that has no project quotas, or does not
// enforce them.
var ErrNone = errors.New("the file system enforces no project quotas: it takes ext4 or xfs, mounted with prjquota")

// Offered is nil where folders below dir can be bounded, and ErrNone where not.
func Offered(dir string) error {
	f, err := openDir(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return enforced(f)
}

// Bound makes bytes the most that the folder holds, whatever it holds by now; it
// is meant for one that nobody writes to meanwhile. Zero is no bound. A folder
// whose project is its parent's has none of its own: someone bounds the tree.
func Bound(dir string, bytes int64) error {
	if bytes < 0 {
		return fmt.Errorf("bounding %s: %d bytes", dir, bytes)
	}
	f, err := openDir(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	own, err := ownProject(f, dir)
	if err != nil {
		return fmt.Errorf("the project of %s: %w", dir, err)
	}
	none := enforced(f)
	switch {
	case bytes == 0 && (own == 0 || none != nil):
		return nil
	case none != nil:
		return none
	case own != 0:
		return limit(f, own, bytes)
	}
	return found(f, dir, bytes)
}

// Usage is what a folder's project has.
type Usage struct {
	// Used and Limit are bytes; a Limit of zero is none.
	Used, Limit int64
}

// nearly is how much of a bound may be free where it counts as reached: what is
// left takes no file to speak of.
const nearly = 64 << 10

// Full is whether no more fits.
func (u Usage) Full() bool { return u.Limit > 0 && u.Limit-u.Used < min(nearly, u.Limit/10+1) }

// Of is the usage of a folder that [Bound] bounded; the zero Usage is one that
// has no project of its own.
func Of(dir string) (Usage, error) {
	f, err := openDir(dir)
	if err != nil {
		return Usage{}, err
	}
	defer f.Close()
	own, err := ownProject(f, dir)
	if err != nil || own == 0 {
		return Usage{}, err
	}
	q, err := get(f, own)
	return Usage{Used: int64(q.blocks * block), Limit: int64(q.hard * block)}, err
}

func openDir(dir string) (*os.File, error) {
	return os.OpenFile(dir, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
}

// ownProject is the folder's, zero where that is its parent's or there are none.
func ownProject(f *os.File, dir string) (uint32, error) {
	mine, err := attributes(f)
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) {
		return 0, nil
	}
	if err != nil || mine.project == 0 {
		return 0, err
	}
	parent, err := openDir(filepath.Dir(filepath.Clean(dir)))
	if err != nil {
		return 0, err
	}
	defer parent.Close()
	theirs, err := attributes(parent)
	if err != nil || theirs.project == mine.project {
		return 0, err
	}
	return mine.project, nil
}

// found gives the folder a project. It is bounded before it has anything, so that
// it counts as taken, and the folder itself comes last: one that has a project has
// it whole.
func found(f *os.File, dir string, bytes int64) error {
	project, err := free(f, dir)
	if err != nil {
		return err
	}
	if err := limit(f, project, bytes); err != nil {
		return err
	}
	if err := give(dir, project); err != nil {
		return fmt.Errorf("giving %s to project %d: %w", dir, project, err)
	}
	return assign(f, project)
}

// Projects are far above those that people number by hand. Where to begin is of
// the folder's path, so that two that are bounded at once do not meet.
const (
	firstProject = 1 << 30
	triedAtMost  = 1000
)

func free(f *os.File, dir string) (uint32, error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(dir))
	for i := range uint32(triedAtMost) {
		project := firstProject | (h.Sum32()+i)&(firstProject-1)
		q, err := get(f, project)
		if err != nil {
			return 0, err
		}
		if q.blocks == 0 && q.inodes == 0 && q.hard == 0 && q.soft == 0 {
			return project, nil
		}
	}
	return 0, errors.New("no project is free")
}

// give is for what is in the folder. Links and devices cannot be opened; they
// take nothing.
func give(dir string, project uint32) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		f, err := root.OpenFile(path, unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return assign(f, project)
	})
}

func assign(f *os.File, project uint32) error {
	a, err := attributes(f)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if a.project = project; info.IsDir() {
		a.flags |= inherits
	}
	return setAttributes(f, a)
}
