//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/user"
	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/monitor/first"
	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
	"github.com/bayplan/bayplan/nodes/native/seccomp"
)

// starter is what every program of the container begins with, sealed.
type starter struct{ program, filter *os.File }

func newStarter(cfg *bundle.Config) (*starter, error) {
	if len(seccomp.Filter()) == 0 {
		return nil, errors.New("there is no seccomp filter for this architecture")
	}
	program, err := launch.Seal("bayplan-first", strings.NewReader(string(first.Program())))
	if err != nil {
		return nil, err
	}
	rules := seccomp.Filter()
	if slices.ContainsFunc(cfg.Mounts, bounded) {
		rules = seccomp.Bounded()
	}
	filter, err := launch.Seal("bayplan-filter", strings.NewReader(string(rules)))
	return &starter{program: program, filter: filter}, err
}

// How the container's program stands to the first one.
const (
	becomes  = "x"
	isForked = "i"
)

// process is what libcontainer runs for args, and the pipe that tells why it
// could not; the caller closes told's other end, which is the last of ExtraFiles.
func (s *starter) process(args []string, cfg *bundle.Config, u *user.ExecUser, mode string) (*libcontainer.Process, *os.File, error) {
	if len(args) == 0 || args[0] == "" {
		return nil, nil, &trouble{bundle.TroubleConfig, errors.New("there is no program to run")}
	}
	filter, err := reopen(s.filter)
	if err != nil {
		return nil, nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		_ = filter.Close()
		return nil, nil, err
	}
	env := environment(cfg.Env, u.Home)
	begin := append([]string{"/proc/self/fd/3", "bayplan-first", mode}, candidates(args[0], lookup(env, "PATH"))...)
	return &libcontainer.Process{
		Args: append(append(begin, ""), args...),
		Env:  env,
		UID:  u.Uid, GID: u.Gid, AdditionalGroups: u.Sgids,
		Cwd:        path.Join("/", cfg.Workdir),
		ExtraFiles: []*os.File{s.program, filter, write},
	}, read, nil
}

// reopen gives a file of its own position: the filter is read by every program,
// maybe by two at once.
func reopen(f *os.File) (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
}

// why reads what the first program had to tell; nil is that the program runs.
func why(read io.Reader, program string) error {
	var what [2]int32
	switch err := binary.Read(read, binary.NativeEndian, &what); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("awaiting the program: %w", err)
	}
	errno := unix.Errno(what[1])
	switch what[0] {
	case 1:
		return fmt.Errorf("loading the seccomp filter: %w", errno)
	case 2:
		return fmt.Errorf("a second process (are pids limited to less?): %w", errno)
	}
	return notRun(program, errno)
}

// usualPath is for a container that has none.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// candidates are where a program may stand, in the order of the search.
func candidates(program, search string) []string {
	if strings.Contains(program, "/") {
		return []string{program}
	}
	if search == "" {
		search = usualPath
	}
	var all []string
	for dir := range strings.SplitSeq(search, ":") {
		if dir == "" {
			dir = "."
		}
		all = append(all, dir+"/"+program)
	}
	return all
}

// environment leaves the last of each name, and adds a home. Were there none,
// libcontainer would look for it, in a file that is the image's.
func environment(env []string, home string) []string {
	last := make(map[string]int, len(env))
	for i, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		last[name] = i
	}
	out := make([]string, 0, len(env)+1)
	for i, kv := range env {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" && last[name] == i && (name != "HOME" || value != "") {
			out = append(out, kv)
		}
	}
	if lookup(out, "HOME") == "" {
		out = append(out, "HOME="+home)
	}
	return out
}

func lookup(env []string, name string) string {
	for _, kv := range env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}
