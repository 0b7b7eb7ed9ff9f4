//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// The folders of a bundle that an overlay needs.
const (
	upperDir = "upper"
	workDir  = "work"
)

// mountRoot mounts the container's whole root in the folder. There is a layer to
// write into even where the root will be read-only: the places where something
// is mounted have to be made.
func mountRoot(folder string, cfg *bundle.Config) error {
	for _, name := range []string{upperDir, workDir} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	layers := slices.Clone(cfg.Layers)
	slices.Reverse(layers)
	if cfg.Base != "" {
		layers = append(layers, cfg.Base)
	}
	if len(layers) == 0 {
		layers = []string{filepath.Join(folder, lowerDir)}
	}
	for _, layer := range layers {
		if _, err := os.Stat(layer); err != nil {
			return fmt.Errorf("a layer of the image: %w", err)
		}
	}
	err := errOldKernel
	if takesLayers() {
		err = mountNew(folder, layers)
	}
	if errors.Is(err, errOldKernel) {
		err = mountOld(folder, layers)
	}
	if err != nil {
		return fmt.Errorf("mounting the overlay of %d layers: %w", len(layers), err)
	}
	return nil
}

// takesLayers is whether the kernel takes layers one by one, as overlayfs does
// since Linux 6.8. Asking it by trying would have an older one complain in its
// log at each start: until 6.5 it took any option, and refused them all together.
var takesLayers = sync.OnceValue(func() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) == nil {
		fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	}
	return major > 6 || major == 6 && minor >= 8
})

var errOldKernel = errors.New("the kernel takes layers only in one string")

// longest is what the kernel takes as a value of fsconfig, with its end.
const longest = 255

// mountNew gives the layers one by one, the highest first: there may be as many
// as the kernel can stack.
func mountNew(folder string, layers []string) error {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return errOldKernel // which also says what is wrong, if it is not that
	}
	defer unix.Close(fs)
	set := func(key, value string) error {
		if len(value) > longest {
			return errOldKernel
		}
		return unix.FsconfigSetString(fs, key, value)
	}
	for _, layer := range layers {
		if err := set("lowerdir+", layer); err != nil {
			return errOldKernel
		}
	}
	if err := errors.Join(set("source", "overlay"), set("upperdir", filepath.Join(folder, upperDir)), set("workdir", filepath.Join(folder, workDir))); err != nil {
		if errors.Is(err, errOldKernel) {
			return errOldKernel
		}
		return err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return err
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return err
	}
	defer unix.Close(mount)
	return unix.MoveMount(mount, "", unix.AT_FDCWD, filepath.Join(folder, rootDir), unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// mountOld has a page for all of its options: the layers are named by short links,
// relative to the folder, which also have no comma or colon.
func mountOld(folder string, layers []string) error {
	names, err := link(folder, layers)
	if err != nil {
		return err
	}
	if err := os.Chdir(folder); err != nil {
		return err
	}
	defer os.Chdir("/")
	options := "lowerdir=" + strings.Join(names, ":") + ",upperdir=" + upperDir + ",workdir=" + workDir
	if len(options) >= os.Getpagesize() {
		return fmt.Errorf("too many layers for this kernel, from 6.8 on there may be 500")
	}
	return unix.Mount("overlay", rootDir, "overlay", unix.MS_NODEV, options)
}

func link(folder string, layers []string) ([]string, error) {
	names := make([]string, len(layers))
	for i, layer := range layers {
		if layer == filepath.Join(folder, lowerDir) {
			names[i] = lowerDir
			continue
		}
		names[i] = filepath.Join(lowerDir, strconv.FormatInt(int64(i), 36))
		path := filepath.Join(folder, names[i])
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if err := os.Symlink(layer, path); err != nil {
			return nil, err
		}
	}
	return names, nil
}
