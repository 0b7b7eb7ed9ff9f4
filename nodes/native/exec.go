package native

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// Exec runs a command by the container's monitor, which ends it when we hang up.
func (r *Runtime) Exec(ctx context.Context, id string, e agent.Exec) (int, error) {
	code, err := r.exec(ctx, id, e)
	return code, explain("exec in "+id, err)
}

func (r *Runtime) exec(ctx context.Context, id string, e agent.Exec) (int, error) {
	b, err := r.box(ctx, id)
	if err != nil {
		return 0, err
	}
	if b == nil || !b.exists() {
		return 0, errNoContainer
	}
	watch := b.running()
	if watch == nil {
		return 0, errNotRunning
	}
	conn, err := r.ask(ctx, b, bundle.Request{Op: bundle.OpExec, Exec: &bundle.Exec{
		Args: e.Command, TTY: e.TTY, Stdin: e.Stdin != nil, Single: e.Single, Series: e.Series,
	}})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	hangUp := context.AfterFunc(ctx, func() { conn.Close() })
	defer hangUp()
	code, err := converse(conn, e)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		return 0, errNotRunning
	}
	return code, err
}

// converse carries the streams until the command has ended.
func converse(conn net.Conn, e agent.Exec) (int, error) {
	var writing sync.Mutex
	send := func(kind bundle.FrameKind, p []byte) error {
		writing.Lock()
		defer writing.Unlock()
		return bundle.WriteFrames(conn, kind, p)
	}
	if e.Stdin != nil {
		go typing(e.Stdin, send) // ends with Stdin, or with the next write after conn closed
	}
	ended := make(chan struct{})
	var sizes sync.WaitGroup
	sizes.Go(func() { resizing(e.Resize, send, ended) })
	defer sizes.Wait()
	defer close(ended)
	return receive(conn, e)
}

func typing(from io.Reader, send func(bundle.FrameKind, []byte) error) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && send(bundle.FrameStdin, buf[:n]) != nil {
			return
		}
		if err != nil {
			_ = send(bundle.FrameStdin, nil)
			return
		}
	}
}

func resizing(sizes <-chan agent.Size, send func(bundle.FrameKind, []byte) error, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case s, ok := <-sizes:
			if !ok {
				return
			}
			p := binary.BigEndian.AppendUint16(nil, s.Rows)
			if send(bundle.FrameResize, binary.BigEndian.AppendUint16(p, s.Cols)) != nil {
				return
			}
		}
	}
}

// receive is the exit code.
func receive(conn io.Reader, e agent.Exec) (int, error) {
	buf := make([]byte, bundle.MaxFrame)
	for {
		kind, p, err := bundle.ReadFrame(conn, buf)
		if err != nil {
			return 0, err
		}
		switch kind {
		case bundle.FrameStdout:
			err = give(e.Stdout, p)
		case bundle.FrameStderr:
			err = give(e.Stderr, p)
		case bundle.FrameExit:
			if len(p) != 4 {
				return 0, fmt.Errorf("the monitor says an exit of %d bytes", len(p))
			}
			return int(binary.BigEndian.Uint32(p)), nil
		case bundle.FrameTrouble:
			var t bundle.Trouble
			if err := json.Unmarshal(p, &t); err != nil {
				return 0, fmt.Errorf("the monitor's trouble: %w", err)
			}
			return 0, troubled(&t)
		default:
			err = fmt.Errorf("the monitor says a word of kind %d", kind)
		}
		if err != nil {
			return 0, err
		}
	}
}

func give(w io.Writer, p []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(p)
	return err
}
