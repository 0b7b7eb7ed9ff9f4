//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// quiet is what most mounts of a container forbid.
const (
	quiet          = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	quietAttribute = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NODEV
)

// furnish mounts in the container's root what needs none of its namespaces: /dev,
// /sys with the control groups, and the files of the config. It returns the mounts
// that are left to do.
//
// libcontainer could do it, and from inside, where each step has to mistrust all
// that it finds: that took most of a start. Here nothing of the container runs yet,
// a mount is whole before it is put into the root, and but for the place of each
// the image has no say.
func furnish(folder string, cfg *bundle.Config) ([]bundle.Mount, error) {
	fd, err := unix.Open(filepath.Join(folder, rootDir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	root := tree{fd}
	defer root.close()
	if err := furnishDev(root); err != nil {
		return nil, fmt.Errorf("mounting /dev: %w", err)
	}
	if err := furnishSys(root, cfg); err != nil {
		return nil, fmt.Errorf("mounting /sys: %w", err)
	}
	return slices.Concat(cfg.Ground, furnishFiles(root, folder, cfg), cfg.Mounts), nil
}

// furnishDev makes /dev with its devices; the links that belong to it libcontainer
// makes.
func furnishDev(root tree) error {
	dev, err := fresh("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_STRICTATIME, [2]string{"mode", "755"}, [2]string{"size", "65536k"})
	if err != nil {
		return err
	}
	defer dev.close()
	if err := makeNodes(dev); err != nil {
		return err
	}
	if err := fix(root, dev, "/dev"); err != nil {
		return err
	}
	pts, err := fresh("devpts", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, [2]string{"ptmxmode", "0666"}, [2]string{"mode", "0620"}, [2]string{"gid", "5"})
	if err != nil {
		return err
	}
	defer pts.close()
	shm, err := fresh("tmpfs", quietAttribute, [2]string{"mode", "1777"}, [2]string{"size", "65536k"})
	if err != nil {
		return err
	}
	defer shm.close()
	if err := pts.at(dev, "pts"); err != nil {
		return err
	}
	return shm.at(dev, "shm")
}

// makeNodes makes what is in /dev from the start.
func makeNodes(dev tree) error {
	defer unix.Umask(unix.Umask(0))
	for _, n := range nodes {
		if err := unix.Mknodat(dev.fd, n.name, unix.S_IFCHR|0o666, int(unix.Mkdev(n.major, n.minor))); err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
	}
	for _, name := range []string{"pts", "shm", "mqueue"} {
		if err := unix.Mkdirat(dev.fd, name, 0o755); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// fix puts a mount into the root. Where that has something else than a folder, the
// image is to blame.
func fix(root, t tree, path string) error {
	at, err := place(root, path)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return notFolder(path, err)
	}
	if err != nil {
		return err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return notFolder(path, unix.ENOTDIR)
	}
	return t.put(at)
}

// furnishSys shows the machine, read-only. On the host's network that is the
// host's /sys alone, without what is mounted in it: with its control groups a JVM
// would not see its limits. Else it is that of the container's own network.
func furnishSys(root tree, cfg *bundle.Config) error {
	sys, err := sysfs(cfg.Namespace)
	if err != nil {
		return err
	}
	defer sys.close()
	if err := fix(root, sys, "/sys"); err != nil {
		return err
	}
	if err := sys.limit(quiet | unix.MS_RDONLY); err != nil {
		return err
	}
	h, err := cgroup.Mounted()
	if err != nil || h.V2() {
		return err // v2 has to be mounted from inside
	}
	return furnishGroups(sys, h, cfg.Cgroup)
}

func sysfs(network string) (sys tree, err error) {
	if network == "" {
		return view("/sys")
	}
	err = within(network, func() (err error) {
		sys, err = fresh("sysfs", quietAttribute|unix.MOUNT_ATTR_RDONLY)
		return err
	})
	return sys, err
}

// seen are the hierarchies of v1 that programs look for limits in. Mounting all of
// them was a fifth of a start.
var seen = []string{"cpu", "cpuacct", "cpuset", "memory", "pids"}

// furnishGroups shows the container its own limits, by hierarchies of v1.
func furnishGroups(sys tree, h cgroup.Hierarchies, group string) error {
	if err := cgroup.Make(group, seen...); err != nil {
		return err
	}
	all, err := fresh("tmpfs", quietAttribute, [2]string{"mode", "755"}, [2]string{"size", "64k"})
	if err != nil {
		return err
	}
	defer all.close()
	if err := all.at(sys, "fs/cgroup"); err != nil {
		return err
	}
	for _, name := range seen {
		if h.Controllers[name] == "" {
			continue
		}
		if err := furnishGroup(all, name, filepath.Join(h.Controllers[name], group)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return all.limit(quiet | unix.MS_RDONLY)
}

func furnishGroup(all tree, name, source string) error {
	one, err := view(source)
	if err != nil {
		return err
	}
	defer one.close()
	if err := unix.Mkdirat(all.fd, name, 0o755); err != nil {
		return err
	}
	if err := one.at(all, name); err != nil {
		return err
	}
	return one.limit(quiet | unix.MS_RDONLY)
}

// furnishFiles binds those files for which the image has a place that the ground
// will not hide, and returns the others. Whatever is wrong with a place, libcontainer knows
// what to do, or says why not.
func furnishFiles(root tree, folder string, cfg *bundle.Config) (left []bundle.Mount) {
	for _, target := range slices.Sorted(maps.Keys(cfg.Files)) {
		m := bundle.Mount{Source: fileOf(folder, target), Target: target, ReadOnly: cfg.ReadOnly}
		if under(target, cfg.Ground) || furnishFile(root, m) != nil {
			left = append(left, m)
		}
	}
	return left
}

// under is whether one of the mounts would hide the target.
func under(target string, mounts []bundle.Mount) bool {
	return slices.ContainsFunc(mounts, func(m bundle.Mount) bool {
		return strings.HasPrefix(target, strings.TrimSuffix(filepath.Clean(m.Target), "/")+"/")
	})
}

func furnishFile(root tree, m bundle.Mount) error {
	at, err := inside(root, m.Target)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	file, err := view(m.Source)
	if err != nil {
		return err
	}
	defer file.close()
	if err := file.put(at); err != nil {
		return err
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if m.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	return file.limit(flags)
}
