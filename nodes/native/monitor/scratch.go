//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// What a life needs and its end makes worthless lies in memory, in a file system of
// this process's mount namespace: nothing of it waits for a disk, and nobody has to
// clear it.
const scratchDir = "run"

// The folders of the scratch.
const (
	// rootDir is where the container's whole root is mounted.
	rootDir = scratchDir + "/rootfs"
	// stateDir is libcontainer's.
	stateDir = scratchDir + "/state"
	// lowerDir has a link for each layer where the kernel wants them short, and
	// is the one layer of a container that has none.
	lowerDir = scratchDir + "/lower"
	// declaredDir has a folder for each declared mount: what was opened is bound to
	// it.
	declaredDir = scratchDir + "/declared"
	// filesDir has the files of the config.
	filesDir = scratchDir + "/files"
)

// scratchRoom is what the container may make of its files, in bytes. Nobody else
// writes to the scratch by then.
const scratchRoom = 4 << 20

// mountScratch makes the folders, empty but for the files.
func mountScratch(folder string, files map[string]string) error {
	room := scratchRoom
	for _, content := range files {
		room += len(content)
	}
	at := filepath.Join(folder, scratchDir)
	if err := os.Mkdir(at, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	if err := unix.Mount("bayplan", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, fmt.Sprintf("mode=0711,size=%d", room)); err != nil {
		return fmt.Errorf("a file system in memory: %w", err)
	}
	for _, dir := range []string{rootDir, stateDir, lowerDir, declaredDir, filesDir} {
		if err := unix.Mkdir(filepath.Join(folder, dir), 0o755); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	for target, content := range files {
		if err := os.WriteFile(fileOf(folder, target), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// fileOf is where a file of the config is, by where the container sees it.
func fileOf(folder, target string) string {
	return filepath.Join(folder, filesDir, strings.ReplaceAll(target, "/", "."))
}
