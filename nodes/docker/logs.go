package docker

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
)

// errNoContainer is for a call that needs one.
var errNoContainer = errors.New("there is no such container on this node")

// Logs copies the log of a container that is there, running or ended.
func (r *Runtime) Logs(ctx context.Context, id string, o agent.LogOptions, w io.Writer) error {
	err := r.attended(ctx, func(ctx context.Context) error {
		box, err := r.find(ctx, id)
		if err != nil {
			return err
		}
		if box == nil {
			return errNoContainer
		}
		return r.copyLogs(ctx, box.ID, o, w)
	})
	return r.explain("logs of "+id, err)
}

func (r *Runtime) copyLogs(ctx context.Context, container string, o agent.LogOptions, w io.Writer) error {
	opts := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: o.Follow, Timestamps: o.Timestamps}
	if o.Tail >= 0 {
		opts.Tail = strconv.Itoa(o.Tail)
	}
	if !o.Since.IsZero() {
		opts.Since = unix(o.Since)
	}
	stream, err := r.api.ContainerLogs(ctx, container, opts)
	if errdefs.IsNotFound(err) {
		return errNoContainer
	}
	if err != nil {
		return err
	}
	defer stream.Close()
	_, err = stdcopy.StdCopy(w, w, stream)
	return err
}
