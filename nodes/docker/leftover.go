package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
)

var errLeftover = errors.New("the one before still runs in the container and cannot be ended from here")

// endLeftovers sees to it that no former Single command of a series runs in a
// container. The Engine has no way to end one: each check that hangs would leave a
// process there for good, and a step that is tried again would run beside its
// first go.
//
// What this process began it remembers. Of what an agent before it began the
// Engine tells which commands run in the container, and the mark in a command's
// environment of which series it is.
func (r *Runtime) endLeftovers(ctx context.Context, box *container.InspectResponse, series string) error {
	if exec := r.seen.left(box.ID, series); exec != "" {
		return r.endLeftover(ctx, box.ID, exec, func(int) bool { return true })
	}
	for _, exec := range box.ExecIDs {
		if err := r.endLeftover(ctx, box.ID, exec, func(pid int) bool { return marked(pid, series) }); err != nil {
			return err
		}
	}
	return nil
}

// endLeftover ends a command that still runs, if it is one of those.
func (r *Runtime) endLeftover(ctx context.Context, box, exec string, is func(pid int) bool) error {
	x, err := r.api.ExecInspect(ctx, exec, client.ExecInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil || !x.Running || !is(x.PID) {
		return err
	}
	if !endGroup(x.PID, box) {
		return errLeftover
	}
	_, err = r.exitCode(ctx, exec)
	return err
}

// seriesMark is the variable by which a Single command is known again.
const seriesMark = "BAYPLAN_SERIES="

// markOf is what a command has in its environment beside the container's.
func markOf(e *agent.Exec) []string {
	if !e.Single {
		return nil
	}
	return []string{seriesMark + e.Series}
}

// marked is whether the process has the mark of the series. Of one that cannot be
// read, as where the Engine is on another machine, nothing is known.
func marked(pid int, series string) bool {
	if pid <= 1 {
		return false
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && slices.ContainsFunc(bytes.Split(env, []byte{0}), func(v []byte) bool { return string(v) == seriesMark+series })
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
