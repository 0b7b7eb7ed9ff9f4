package source

import (
	"fmt"
	"io/fs"
	"path"
	"sort"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// InitRepo makes a bare repository at dir whose branch, which HEAD names, has
// one commit with the regular files of files. It fails if there is a repository
// already.
func InitRepo(dir, branch string, files fs.FS, subject string) (commit string, err error) {
	st := filesystem.NewStorage(osfs.New(dir, osfs.WithBoundOS()), cache.NewObjectLRUDefault())
	head := branchRef(branch)
	if _, err := git.InitWithOptions(st, nil, git.InitOptions{DefaultBranch: head}); err != nil {
		return "", fmt.Errorf("repository %s: %w", dir, err)
	}
	tree, err := storeDir(st, files, ".")
	if err != nil {
		return "", fmt.Errorf("repository %s: %w", dir, err)
	}
	who := object.Signature{Name: "Bayplan", Email: "bayplan@localhost", When: time.Now()}
	h, err := storeObject(st, &object.Commit{Author: who, Committer: who, Message: subject + "\n", TreeHash: tree})
	if err != nil {
		return "", fmt.Errorf("repository %s: %w", dir, err)
	}
	return h.String(), st.SetReference(plumbing.NewHashReference(head, h))
}

// encodable is what go-git can write as an object.
type encodable interface {
	Encode(plumbing.EncodedObject) error
}

func storeObject(st storer.EncodedObjectStorer, o encodable) (plumbing.Hash, error) {
	obj := st.NewEncodedObject()
	if err := o.Encode(obj); err != nil {
		return plumbing.ZeroHash, err
	}
	return st.SetEncodedObject(obj)
}

// storeDir writes a directory and all below it as a tree.
func storeDir(st storer.EncodedObjectStorer, files fs.FS, dir string) (plumbing.Hash, error) {
	list, err := fs.ReadDir(files, dir)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	tree := &object.Tree{}
	for _, d := range list {
		e := object.TreeEntry{Name: d.Name()}
		switch {
		case d.IsDir():
			e.Mode = filemode.Dir
			e.Hash, err = storeDir(st, files, path.Join(dir, d.Name()))
		case d.Type().IsRegular():
			e.Mode, e.Hash, err = storeFile(st, files, path.Join(dir, d.Name()), d)
		default:
			continue
		}
		if err != nil {
			return plumbing.ZeroHash, err
		}
		tree.Entries = append(tree.Entries, e)
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	return storeObject(st, tree)
}

func storeFile(st storer.EncodedObjectStorer, files fs.FS, name string, d fs.DirEntry) (filemode.FileMode, plumbing.Hash, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return 0, plumbing.ZeroHash, err
	}
	info, err := d.Info()
	if err != nil {
		return 0, plumbing.ZeroHash, err
	}
	mode := filemode.Regular
	if info.Mode()&0o111 != 0 {
		mode = filemode.Executable
	}
	h, err := st.SetEncodedObject(memory(plumbing.BlobObject, data))
	return mode, h, err
}
