package node

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// trimAfter is when the agent gives pages of its own program back: by then it
// has started, joined and listed what runs.
const trimAfter = 10 * time.Second

// trimLater gives back the pages of the program's text and constants that only
// the initialisation of its packages has touched. The binary holds the server
// and the evaluator too, whose initialisation leaves some 20 MB of it mapped in
// an agent that never uses them. What is needed again comes back from the file.
func trimLater(ctx context.Context) {
	timer := time.NewTimer(trimAfter)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		trim()
	}
}

// trim advises the kernel about each mapping of the program's file that cannot
// be written to; an error means only that the pages stay. A file that was
// written at once, as by cp, lies in the page cache in pieces of up to 2 MB, of
// which a touch of one page would map the whole: so first it is told not to map
// huge pages there.
func trim() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if from, to, ok := readOnly(lines.Text(), self); ok {
			for _, advice := range []uintptr{unix.MADV_NOHUGEPAGE, unix.MADV_DONTNEED} {
				_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, advice)
			}
		}
	}
}

// readOnly reads a line of /proc/PID/maps: the range, if it maps file without
// the right to write.
func readOnly(line, file string) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) < 6 || strings.Contains(f[1], "w") || strings.Join(f[5:], " ") != file {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(f[0], "%x-%x", &from, &to)
	return from, to, err == nil && n == 2 && from < to
}
