package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// Problem is why the built-in runtime cannot run containers on a machine, and
// what mends it.
type Problem struct {
	// What is one sentence without its stop; Mend is what a person can do.
	What, Mend string
}

func (p Problem) String() string { return p.What + ": " + p.Mend }

// The oldest kernel: pidfds that the poller takes came with it.
const oldestMajor, oldestMinor = 5, 10

// Check looks at the machine; no problem is no entry. Dir is where the runtime's
// files are, or will be; monitor is the error of finding the monitor's program.
func Check(dir string, monitor error) []Problem {
	var all []Problem
	for _, look := range []func() error{isRoot, newEnough, hasNamespaces, hasControllers, func() error { return hasOverlay(dir) }, func() error { return hasMonitor(monitor) }} {
		err := look()
		if p, ok := errors.AsType[*problemError](err); ok {
			all = append(all, p.Problem)
		} else if err != nil {
			all = append(all, Problem{err.Error(), "see what it says"})
		}
	}
	return all
}

// Check is the package's for this Runtime.
func (r *Runtime) Check() []Problem {
	_, err := r.monitor.sealed()
	return Check(r.names.dir, err)
}

type problemError struct{ Problem }

func (p *problemError) Error() string { return p.String() }

func problem(what, mend string) error { return &problemError{Problem{what, mend}} }

func isRoot() error {
	if os.Geteuid() == 0 {
		return nil
	}
	return problem("bayplan does not run as root", "start the agent as root, by systemd or sudo")
}

func newEnough() error {
	release, err := kernel()
	if err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return fmt.Errorf("kernel %q: %w", release, err)
	}
	if major > oldestMajor || major == oldestMajor && minor >= oldestMinor {
		return nil
	}
	return problem(fmt.Sprintf("the kernel %s is too old", release),
		fmt.Sprintf("use one from %d.%d on, or a Docker Engine (--runtime docker)", oldestMajor, oldestMinor))
}

func hasNamespaces() error {
	var missing []string
	for _, n := range []string{"cgroup", "ipc", "mnt", "net", "pid", "uts"} {
		if _, err := os.Stat("/proc/self/ns/" + n); err != nil {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return problem("the kernel has no namespaces of "+strings.Join(missing, ", "), "use a kernel with them; every distribution's has")
}

func hasMonitor(err error) error {
	if err == nil {
		return nil
	}
	return problem("no program stands by the containers: "+err.Error(), "build bayplan with make build, or put bayplan-monitor beside it")
}

// needed are the controllers that limits are made of.
var needed = []string{"cpu", "memory", "pids"}

func hasControllers() error {
	h, err := cgroup.Mounted()
	if err != nil {
		return problem("no control groups are mounted", "mount cgroup2 on /sys/fs/cgroup, as systemd does")
	}
	var missing []string
	unified := unifiedControllers(h.Unified)
	for _, c := range needed {
		if _, ok := h.Controllers[c]; !ok && !slices.Contains(unified, c) {
			missing = append(missing, c)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return problem("there is no control group controller for "+strings.Join(missing, ", "),
		"enable it on the kernel's command line (cgroup_enable=memory), or delegate it to the machine that this one is in")
}

func unifiedControllers(root string) []string {
	if root == "" {
		return nil
	}
	b, err := os.ReadFile(root + "/cgroup.controllers")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// hasOverlay makes an overlay over folders of its own, and mounts it nowhere.
func hasOverlay(dir string) error {
	if os.Geteuid() != 0 {
		return nil // could not be tried, and that is told
	}
	tmp, err := os.MkdirTemp(existing(dir), newPrefix+"check-")
	if err != nil {
		return problem("nothing can be written to "+dir+": "+err.Error(), "give it to root, or name another folder")
	}
	defer os.RemoveAll(tmp)
	if err := tryOverlay(tmp); err != nil {
		return problem(fmt.Sprintf("overlayfs does not work on %s: %v", dir, err),
			"load the module (modprobe overlay), or name a folder on ext4, xfs or btrfs")
	}
	return nil
}

// existing is the folder, or the one that it will be made in.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func tryOverlay(tmp string) error {
	for _, d := range []string{"lower", "upper", "work"} {
		if err := os.Mkdir(tmp+"/"+d, 0o700); err != nil {
			return err
		}
	}
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, o := range [][2]string{{"lowerdir", tmp + "/lower"}, {"upperdir", tmp + "/upper"}, {"workdir", tmp + "/work"}} {
		if err := unix.FsconfigSetString(fd, o[0], o[1]); err != nil {
			return err
		}
	}
	return unix.FsconfigCreate(fd)
}
