package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what a group's processes take, and took.
type Usage struct {
	// CPU is the time on all processors since the group was made.
	CPU time.Duration
	// Memory is in bytes, without the page cache that could be dropped at once.
	Memory int64
	// Pids is the number of tasks.
	Pids int64
}

// Stats reads the usage, by four files at most. A group that is not there is
// fs.ErrNotExist.
func Stats(path string) (Usage, error) {
	h, err := Mounted()
	if err != nil {
		return Usage{}, err
	}
	if h.V2() {
		return statsV2(filepath.Join(h.Unified, filepath.Join("/", path)))
	}
	return h.statsV1(path)
}

func statsV2(dir string) (Usage, error) {
	cpu, err := field(dir, "cpu.stat", "usage_usec")
	if err != nil {
		return Usage{}, err
	}
	memory, err := number(dir, "memory.current")
	if err != nil {
		return Usage{}, err
	}
	idle, err := field(dir, "memory.stat", "inactive_file")
	if err != nil {
		return Usage{}, err
	}
	pids, err := number(dir, "pids.current")
	return Usage{CPU: time.Duration(cpu) * time.Microsecond, Memory: max(memory-idle, 0), Pids: pids}, err
}

func (h Hierarchies) statsV1(path string) (Usage, error) {
	cpu, err := number(h.in("cpuacct", path), "cpuacct.usage")
	if err != nil {
		return Usage{}, err
	}
	memory, err := number(h.in("memory", path), "memory.usage_in_bytes")
	if err != nil {
		return Usage{}, err
	}
	idle, err := field(h.in("memory", path), "memory.stat", "total_inactive_file")
	if err != nil {
		return Usage{}, err
	}
	pids, err := number(h.in("pids", path), "pids.current")
	return Usage{CPU: time.Duration(cpu), Memory: max(memory-idle, 0), Pids: pids}, err
}

// in is the directory of the group in a controller's hierarchy.
func (h Hierarchies) in(controller, path string) string {
	return filepath.Join(h.Controllers[controller], filepath.Join("/", path))
}

// OOMKills is how many processes of the group the kernel killed for memory. A
// machine that does not count them has none.
func OOMKills(path string) (int, error) {
	h, err := Mounted()
	if err != nil {
		return 0, err
	}
	dir, file := h.in("memory", path), "memory.oom_control"
	if h.V2() {
		dir, file = filepath.Join(h.Unified, filepath.Join("/", path)), "memory.events"
	}
	n, err := field(dir, file, "oom_kill")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return int(n), err
}

// read is a file of a group, which the kernel writes as we read: in one go. The
// runtime's poller is of no use for it.
func read(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var b [8192]byte
	n, err := unix.Read(fd, b[:])
	if err != nil {
		return "", &os.PathError{Op: "read", Path: path, Err: err}
	}
	return string(b[:n]), nil
}

func number(dir, name string) (int64, error) {
	text, err := read(dir, name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(text), 10, 64)
}

// field is the number behind a name in a file of lines; a name that is not there
// is zero.
func field(dir, name, key string) (int64, error) {
	text, err := read(dir, name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == key {
			return strconv.ParseInt(v, 10, 64)
		}
	}
	return 0, nil
}
