//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"os"
	"time"

	"github.com/opencontainers/runc/libcontainer/utils"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// end kills what a command has become: it leads a session, and all who are still
// of that end with it.
func (m *monitor) end(cmd *command) {
	cmd.mu.Lock()
	defer cmd.mu.Unlock()
	select {
	case <-cmd.done:
		return // its pid may be another's
	default:
	}
	pid, err := cmd.process.Pid()
	if err != nil {
		return
	}
	_ = cgroup.KillIf(m.cfg.Cgroup, func(member int) bool {
		session, err := stat(member, statSession)
		return err == nil && session == uint64(pid)
	})
	_ = cmd.process.Signal(unix.SIGKILL)
}

// wait is for the command's end. Until done is closed the pid is the command's,
// if only as a zombie's.
func (cmd *command) wait() *os.ProcessState {
	if pid, err := cmd.process.Pid(); err == nil {
		for err = unix.EINTR; err == unix.EINTR; {
			err = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		}
	}
	cmd.mu.Lock()
	defer cmd.mu.Unlock()
	close(cmd.done)
	state, _ := cmd.process.Wait()
	return state
}

// linger gives what is left in a pipe time to be read; whoever else holds it,
// such as a daemon that the command started, is not waited for.
func (cmd *command) linger() {
	for _, o := range cmd.outputs {
		_ = o.from.SetReadDeadline(time.Now().Add(drainTime))
	}
}

// socketPair is how a terminal comes out of the container.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), os.NewFile(uintptr(fds[1]), "terminal"), nil
}

// receive takes the terminal, in a form whose reads can be given up.
func receive(socket *os.File) (*os.File, error) {
	f, err := utils.RecvFile(socket)
	if err != nil {
		return nil, err
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	_ = f.Close()
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "terminal"), nil
}
