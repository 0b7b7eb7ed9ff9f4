package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

var errLeftover = errors.New("the one before still runs in the container and cannot be ended from here")

// endLeftover sees to it that the last Single command of a series in a container has ended.
// The Engine has no way to end it, so that each check that hangs would leave a
// process there for good.
func (r *Runtime) endLeftover(ctx context.Context, container, series string) error {
	exec := r.seen.left(container, series)
	if exec == "" {
		return nil
	}
	x, err := r.api.ExecInspect(ctx, exec, client.ExecInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil || !x.Running {
		return err
	}
	if !endGroup(x.PID, container) {
		return errLeftover
	}
	_, err = r.exitCode(ctx, exec)
	return err
}

// endGroup kills a container's process and the children in its group, which is
// its own: the Engine begins a session for each command. It is false where the
// number is not of this container on this machine: the Engine may be on another.
func endGroup(pid int, container string) bool {
	if pid <= 1 || container == "" {
		return false
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !strings.Contains(string(groups), container) {
		return false
	}
	if group, err := syscall.Getpgid(pid); err == nil && group == pid {
		pid = -pid
	}
	return syscall.Kill(pid, syscall.SIGKILL) == nil
}
