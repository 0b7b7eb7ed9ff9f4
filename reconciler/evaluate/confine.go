package evaluate

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Held is what a worker is held to, in its own words: "" for each thing that is,
// and why not for what could not be had on this machine.
type Held struct {
	// Memory is the limit of it, without which a worker does not start.
	Memory string
	// Calls is the filter of system calls: no files, no network, no processes.
	Calls string
	// First tells that the kernel takes the worker first where memory runs out.
	First string
}

// confine gives up all that an evaluation does not need.
func confine(t terms) (h Held) {
	closeOthers()
	h.First = why(os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0))
	h.Memory = why(limit(unix.RLIMIT_DATA, uint64(t.Memory)+shadow))
	for _, l := range []struct {
		resource int
		most     uint64
	}{{unix.RLIMIT_CORE, 0}, {unix.RLIMIT_FSIZE, 0}, {unix.RLIMIT_NOFILE, 16}} {
		if err := limit(l.resource, l.most); err != nil {
			h.Memory = err.Error()
		}
	}
	h.Calls = why(filterCalls())
	return h
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func limit(resource int, most uint64) error {
	if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		return fmt.Errorf("limit %d: %w", resource, err)
	}
	return nil
}

// closeOthers closes the descriptors that the server was itself started with, if
// it was: Go's own do not reach a child. The runtime's poller stays.
func closeOthers() {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && fd > 2 && !strings.HasPrefix(target, "anon_inode:[event") {
			unix.Close(fd)
		}
	}
}
