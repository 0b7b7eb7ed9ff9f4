package native

import (
	"crypto/rand"
	"os"
	"path/filepath"

	"github.com/bayplan/bayplan/nodes/native/raze"
)

// clearOwn empties the container's own layer. Its log stays.
func clearOwn(dir string) error {
	for _, d := range own {
		if d.name == logDir {
			continue
		}
		if err := raze.All(filepath.Join(dir, d.name)); err != nil {
			return err
		}
		if err := makeDir(filepath.Join(dir, d.name), d.mode); err != nil {
			return err
		}
	}
	return nil
}

// drop makes a folder one that is gone, and says what it is called now: as nothing
// else, since an earlier container of the slot and digest may not be cleared yet,
// or never be. The folder's own name comes last, which says whose it is.
func (n names) drop(folder string) (gone string, err error) {
	gone = n.path(gonePrefix + rand.Text() + "-" + folder)
	return gone, os.Rename(n.path(folder), gone)
}

// clearers is how many folders are cleared at once. It takes far longer than all
// else of a removal, as file systems go, and nobody has to wait for it.
const clearers = 4

// clear removes what is gone, some time. What a crash leaves of it the next
// process clears.
func (r *Runtime) clear(path string) {
	r.clearing.Go(func() {
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		if err := raze.All(path); err != nil {
			r.cfg.Log.Warn("clearing a removed container", "err", err)
		}
	})
}
