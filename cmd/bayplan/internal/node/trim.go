package node

import (
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

// trim gives back what the process holds of its program's file as it is there.
func trim() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range untouched(string(smaps), self) {
		giveBack(m.from, m.to)
	}
}

// mapping is a part of the address space.
type mapping struct{ from, to uintptr }

// untouched are the file's mappings that cannot be written to and never were. A
// linker writes addresses into some before it closes them, and what was written
// does not come back from the file.
func untouched(smaps, file string) (all []mapping) {
	var m mapping
	ours := false
	for line := range strings.Lines(smaps) {
		f := strings.Fields(line)
		switch {
		case len(f) < 2:
		case strings.Contains(f[0], "-"):
			m.from, m.to, ours = readOnly(line, file)
		case ours && f[0] == "Anonymous:" && f[1] == "0":
			all = append(all, m)
		}
	}
	return all
}

// piece is what a kernel maps of a file around the page that is touched.
const piece = 64 << 10

// giveBack advises the kernel; an error means only that the pages stay. Of a file
// that was written at once, as by cp, the page cache holds pieces of up to 2 MB,
// and a kernel from 6.18 on maps such a piece whole, as far as the mapping goes.
// So the mapping is cut up first: neighbours that differ in whether they belong
// into a core dump, which tells nothing of a program's text, are two.
func giveBack(from, to uintptr) {
	cut := false
	for at := from; at < to; cut = !cut {
		next := min(at/piece*piece+piece, to)
		if cut {
			advise(at, next, unix.MADV_DONTDUMP)
		}
		at = next
	}
	advise(from, to, unix.MADV_DONTNEED)
}

func advise(from, to, what uintptr) { _, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, what) }

// readOnly reads the line of /proc/PID/smaps that begins a mapping: its range, if
// it maps file without the right to write.
func readOnly(line, file string) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) < 6 || strings.Contains(f[1], "w") || strings.Join(f[5:], " ") != file {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(f[0], "%x-%x", &from, &to)
	return from, to, err == nil && n == 2 && from < to
}
