package docker

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
)

// The Engine tells of a kill for memory and of the end itself by two events, in
// no order: 3 in 100 ends are seen before their cause.
const (
	causeWithin = 250 * time.Millisecond
	causePause  = 25 * time.Millisecond
)

// settle looks again at a container that was killed a moment ago, and not by
// us, until the cause is there or will not come.
func (r *Runtime) settle(ctx context.Context, box *container.InspectResponse) error {
	for waited := time.Duration(0); waited < causeWithin && r.unexplained(box) && justEnded(box); waited += causePause {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(causePause):
		}
		again, err := r.api.ContainerInspect(ctx, box.ID, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		*box = again.Container
	}
	return nil
}

func justEnded(box *container.InspectResponse) bool {
	return time.Since(timeOf(box.State.FinishedAt)).Abs() < 2*causeWithin
}

// unexplained is whether a container with a limit ended as one over it does.
func (r *Runtime) unexplained(box *container.InspectResponse) bool {
	s := box.State
	return s.Status == container.StateExited && s.ExitCode == killed && !s.OOMKilled &&
		box.HostConfig != nil && box.HostConfig.Memory > 0 && !r.seen.killedByUs(box.ID)
}

// How a shell, and an init, end when the command is not there, cannot be run, or
// was killed.
const (
	notFound      = 127
	notExecutable = 126
	killed        = 128 + 9
)

// unwatched is how young a container is while the Engine may not yet look out
// for its memory: one that is killed in that time, by none of us, was over it.
const unwatched = 100 * time.Millisecond

// initFatal is the init's last word: "[FATAL tini (7)] exec /web failed: No such
// file or directory".
var initFatal = regexp.MustCompile(`\[FATAL tini \(\d+\)\] exec (.+) failed: (.+)`)

// initError is why the init could not run the command; "" if it could.
func (r *Runtime) initError(ctx context.Context, container string) string {
	var last bytes.Buffer
	if err := r.copyLogs(ctx, container, agent.LogOptions{Tail: 1}, &last); err != nil {
		return ""
	}
	m := initFatal.FindSubmatch(last.Bytes())
	if m == nil {
		return ""
	}
	return fmt.Sprintf("the command %s could not be run: %s", m[1], m[2])
}
