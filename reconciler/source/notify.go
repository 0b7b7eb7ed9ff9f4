package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// listen watches what git touches when a branch moves: HEAD, packed-refs and
// every directory below refs, since a nested branch shows as a new directory
// only; and the directory above, where the repository itself comes and goes.
// Events say "look again" and no more; the branch is read after them.
func (l *local) listen(changed func()) (func() error, error) {
	fw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	n := &notifier{fw: fw, path: l.path, changed: changed}
	if err := n.arm(); err != nil {
		return nil, errors.Join(err, fw.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.run()
	}()
	return func() error {
		err := fw.Close()
		<-done
		return err
	}, nil
}

// notifier owns the watches on one repository.
type notifier struct {
	fw      *fsnotify.Watcher
	path    string
	dir     string // the git directory, "" while there is none
	changed func()
}

// arm adds the watches for what is there now; adding one twice is harmless.
func (n *notifier) arm() error {
	err := n.armNearest(filepath.Dir(n.path))
	dir, derr := gitDir(n.path)
	if derr != nil {
		n.dir = ""
		err = errors.Join(err, n.armNearest(n.path))
		if dir, derr = gitDir(n.path); derr != nil {
			return err
		}
		// It came before there was a watch that would have told.
	}
	n.dir = dir
	return errors.Join(err, n.armNearest(filepath.Dir(dir)), n.fw.Add(dir), n.armTree(filepath.Join(dir, "refs")))
}

// armNearest watches the nearest directory upwards that is there. What is made in
// it before it is watched is no event, so that it looks again after each.
func (n *notifier) armNearest(path string) error {
	for {
		dir := existing(path)
		if err := n.fw.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if existing(path) == dir {
			return nil
		}
	}
}

// armTree watches a directory and all below. One that vanishes meanwhile is an
// event of the directory above.
func (n *notifier) armTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = n.fw.Add(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// existing is the nearest directory upwards that is there.
func existing(path string) string {
	for {
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			return path
		}
		up := filepath.Dir(path)
		if up == path {
			return path
		}
		path = up
	}
}

// run passes events on until the watcher is closed. What it could not watch or
// lost is made up for by a look, and by the poll.
func (n *notifier) run() {
	for {
		select {
		case e, ok := <-n.fw.Events:
			if !ok {
				return
			}
			n.event(e)
		case _, ok := <-n.fw.Errors:
			if !ok {
				return
			}
			n.rearm()
		}
	}
}

func (n *notifier) event(e fsnotify.Event) {
	if !n.concerns(e.Name) || e.Op == fsnotify.Chmod {
		return
	}
	structural := n.dir == "" || e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) || isDir(e.Name)
	if structural {
		n.rearm()
		return
	}
	n.changed()
}

// rearm looks for directories to watch before the branch is read, so that
// nothing falls between.
func (n *notifier) rearm() {
	_ = n.arm() // what is missing now comes back as an event, or with the poll
	n.changed()
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// concerns filters out git's locks and the neighbours of the repository.
func (n *notifier) concerns(name string) bool {
	if strings.HasSuffix(name, ".lock") {
		return false
	}
	if n.dir == "" || name == n.dir || name == n.path {
		return within(n.path, name) || within(name, n.path)
	}
	rel, err := filepath.Rel(n.dir, name)
	if err != nil || strings.HasPrefix(rel, "..") {
		return false
	}
	top, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
	return top == "HEAD" || top == "packed-refs" || top == "refs" || top == "config" || top == "objects"
}

// within says whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
