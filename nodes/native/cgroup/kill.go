package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long the kernel may take to end what is killed, and to let a
// directory go: a process in the middle of a page fault or a write ends after it.
const patience = 10 * time.Second

// errRoot keeps a path that is empty by mistake from meaning the whole machine.
var errRoot = errors.New("the root of the control groups is never ended or removed")

// Kill kills every process of the group and of those below it, and returns when
// none is left. A group that is not there is no error.
func Kill(path string) error {
	h, err := Mounted()
	if err != nil {
		return err
	}
	dirs := h.dirs(path)
	if slices.Contains(h.roots(), dirs[0]) {
		return errRoot
	}
	return await(func() (bool, error) {
		some, err := h.killOnce(path, dirs)
		return !some && err == nil, err
	})
}

// killOnce is whether any process was there.
func (h Hierarchies) killOnce(path string, dirs []string) (some bool, err error) {
	defer h.hold(path)()
	for _, dir := range dirs {
		found, err := killTree(dir)
		if err != nil {
			return true, fmt.Errorf("ending what runs in %s: %w", dir, err)
		}
		some = some || found
	}
	return some, nil
}

// KillIf kills those processes of the group, not of the ones below it, that fit.
func KillIf(path string, fits func(pid int) bool) error {
	h, err := Mounted()
	if err != nil {
		return err
	}
	dir := h.dirs(path)[0]
	all, err := pids(dir)
	for some := range slices.Chunk(all, heldAtOnce) {
		if err := killMembers(dir, some, fits); err != nil {
			return err
		}
	}
	return err
}

// await repeats try, at growing distances, until it is done.
func await(try func() (done bool, err error)) error {
	var last error
	for wait, spent := time.Millisecond, time.Duration(0); spent < patience; wait = min(2*wait, 50*time.Millisecond) {
		done, err := try()
		if done {
			return nil
		}
		last = err
		time.Sleep(wait)
		spent += wait
	}
	if last == nil {
		last = errors.New("it does not end")
	}
	return fmt.Errorf("after %v: %w", patience, last)
}

// killTree is whether any process was there.
func killTree(dir string) (bool, error) {
	if err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0); err == nil {
		return populated(dir)
	}
	return killEach(dir)
}

func killEach(dir string) (bool, error) {
	some, err := killGroup(dir)
	if err != nil {
		return some, err
	}
	below, err := groups(dir)
	for _, name := range below {
		found, err := killEach(filepath.Join(dir, name))
		some = some || found
		if err != nil {
			return some, err
		}
	}
	return some, err
}

// gone forgets that something is not there any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func populated(dir string) (bool, error) {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.events"))
	return strings.Contains(string(b), "populated 1"), gone(err)
}

func killGroup(dir string) (bool, error) {
	pids, err := pids(dir)
	for some := range slices.Chunk(pids, heldAtOnce) {
		if err := killMembers(dir, some, func(int) bool { return true }); err != nil {
			return true, err
		}
	}
	return len(pids) > 0, err
}

// heldAtOnce is how many processes are held for one look at who is a member: a
// group may have thousands, and were each looked up by itself a fork bomb would
// take minutes to end.
const heldAtOnce = 256

func pids(dir string) ([]int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, gone(err)
	}
	var all []int
	for word := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			all = append(all, pid)
		}
	}
	return all, nil
}

// killMembers holds the processes by file descriptors first and then looks again
// who is a member: between the two lists a pid may have become another's.
func killMembers(dir string, some []int, fits func(pid int) bool) error {
	held := make(map[int]int, len(some))
	defer func() {
		for _, fd := range held {
			_ = unix.Close(fd)
		}
	}()
	for _, pid := range some {
		fd, err := unix.PidfdOpen(pid, 0)
		if err == nil {
			held[pid] = fd
		} else if err = ended(err); err != nil {
			return err
		}
	}
	again, err := pids(dir)
	for _, pid := range again {
		fd, ok := held[pid]
		if !ok || !fits(pid) {
			continue
		}
		if err := ended(unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)); err != nil {
			return err
		}
	}
	return err
}

// ended forgets that a process is gone.
func ended(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
