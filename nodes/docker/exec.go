package docker

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
)

var errNotRunning = errors.New("the container does not run")

// Exec runs a command. When ctx ends it lets go of it; the Engine has no way to
// end the command itself, and so the next Single one of its series does.
func (r *Runtime) Exec(ctx context.Context, id string, e agent.Exec) (code int, err error) {
	err = r.attended(ctx, func(ctx context.Context) error {
		code, err = r.exec(ctx, id, e)
		return err
	})
	return code, r.explain("exec in "+id, err)
}

func (r *Runtime) exec(ctx context.Context, id string, e agent.Exec) (int, error) {
	box, err := r.find(ctx, id)
	if err != nil {
		return 0, err
	}
	if box == nil {
		return 0, errNoContainer
	}
	if e.Single {
		if err := r.endLeftovers(ctx, box, e.Series); err != nil {
			return 0, err
		}
	}
	made, err := r.api.ExecCreate(ctx, box.ID, client.ExecCreateOptions{
		Env: markOf(&e), Cmd: e.Command, TTY: e.TTY, AttachStdin: e.Stdin != nil, AttachStdout: true, AttachStderr: !e.TTY,
	})
	if errdefs.IsConflict(err) {
		return 0, errNotRunning
	}
	if err != nil {
		return 0, err
	}
	if e.Single {
		r.seen.leaves(box.ID, e.Series, made.ID)
	}
	if err := r.converse(ctx, made.ID, e); err != nil {
		return 0, err
	}
	return r.exitCode(ctx, made.ID)
}

// converse carries the streams until the command has closed its own.
func (r *Runtime) converse(ctx context.Context, exec string, e agent.Exec) error {
	conn, err := r.api.ExecAttach(ctx, exec, client.ExecAttachOptions{TTY: e.TTY})
	if err != nil {
		return err
	}
	defer conn.Close()
	hangUp := context.AfterFunc(ctx, conn.Close)
	defer hangUp()
	if e.Stdin != nil {
		go func() { // ends with Stdin, or with the next write after conn closed
			io.Copy(conn.Conn, e.Stdin)
			conn.CloseWrite()
		}()
	}
	ctx, cancel := context.WithCancel(ctx)
	var sizes sync.WaitGroup
	sizes.Go(func() { r.resize(ctx, exec, e.Resize) })
	err = receive(&conn.HijackedResponse, e)
	if cause := ctx.Err(); cause != nil {
		err = cause
	}
	cancel()
	sizes.Wait()
	return err
}

func receive(conn *client.HijackedResponse, e agent.Exec) error {
	stdout, stderr := orDiscard(e.Stdout), orDiscard(e.Stderr)
	if e.TTY {
		_, err := io.Copy(stdout, conn.Reader)
		return err
	}
	_, err := stdcopy.StdCopy(stdout, stderr, conn.Reader)
	return err
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// resize follows the terminal's size; one that the Engine did not take is not
// worth the command.
func (r *Runtime) resize(ctx context.Context, exec string, sizes <-chan agent.Size) {
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-sizes:
			if !ok {
				return
			}
			_, err := r.api.ExecResize(ctx, exec, client.ExecResizeOptions{Height: uint(s.Rows), Width: uint(s.Cols)})
			if err != nil && ctx.Err() == nil {
				r.cfg.Log.Debug("terminal not resized", "err", err)
			}
		}
	}
}

// endPause is between two looks at a command whose streams ended a moment
// before the Engine learned of its exit.
const endPause = 5 * time.Millisecond

func (r *Runtime) exitCode(ctx context.Context, exec string) (int, error) {
	for {
		x, err := r.api.ExecInspect(ctx, exec, client.ExecInspectOptions{})
		if err != nil {
			return 0, err
		}
		if !x.Running {
			return x.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(endPause):
		}
	}
}
