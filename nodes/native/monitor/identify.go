//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// The fields of /proc/PID/stat that follow the name, counted from zero behind it.
const (
	statSession = 6 - 3
	statStart   = 22 - 3
)

// identify says which process has the pid now.
func identify(pid int) (bundle.Process, error) {
	start, err := stat(pid, statStart)
	return bundle.Process{Pid: pid, Start: start}, err
}

// stat is one number of a process. Its name may hold anything, so what counts
// begins behind the last parenthesis.
func stat(pid, field int) (uint64, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) <= field {
		return 0, fmt.Errorf("%s: %q", path, b)
	}
	return strconv.ParseUint(string(fields[field]), 10, 64)
}
