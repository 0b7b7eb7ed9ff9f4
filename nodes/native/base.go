package native

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// baseDir has a place for all that is mounted in every container, and lies below
// the layers of each: were a place missing in the image, every container would make
// it in a layer of its own, which takes longer than all of its mounts.
const baseDir = "base"

var (
	baseDirs  = []string{"", "dev", "etc", "proc", "sys"}
	baseFiles = []string{hostnameFile, hostsFile, resolvFile}
)

// makeBase makes what is not there. Containers that run do not mind.
func (n names) makeBase() error {
	base := filepath.Join(n.dir, baseDir)
	for _, dir := range baseDirs {
		if err := makeDir(filepath.Join(base, dir), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, file := range baseFiles {
		if err := writeFile(filepath.Join(base, file), ""); err != nil {
			return err
		}
	}
	return nil
}
