package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

type execStream = connect.BidiStream[controlpb.ExecInput, controlpb.ExecOutput]

// Exec runs a command in a slot's running container: the first message says
// which, the last one back carries the exit code.
func (s *server) Exec(ctx context.Context, stream *execStream) error {
	first, err := stream.Receive()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil || len(start.Command) == 0 {
		return invalid("an exec begins with a slot and a command")
	}
	st, _ := s.Cluster.Status()
	in, err := s.runningInstance(st, start.Slot)
	if err != nil {
		return err
	}
	s.Log.Info("exec", "slot", start.Slot, "node", in.node, "actor", callerOf(ctx).name)
	in.id = inside(in.id, start.Container)
	code, err := s.execIn(ctx, in, start, stream)
	if err != nil {
		return coded(err, connect.CodeUnknown)
	}
	return stream.Send(&controlpb.ExecOutput{Body: &controlpb.ExecOutput_End{End: &controlpb.ExecEnd{ExitCode: int32(code)}}})
}

// execIn couples the stream with the command until it ends, and returns only
// after nothing reads from the stream any more.
func (s *server) execIn(ctx context.Context, in instance, start *controlpb.ExecStart, stream *execStream) (int, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	stdin, feed := io.Pipe()
	sizes := make(chan agent.Size, 1)
	if start.Size != nil {
		sizes <- sizeOf(start.Size)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		receive(stream, feed, sizes, stop)
	}()
	defer func() {
		stdin.CloseWithError(io.EOF)
		callerOf(ctx).stopReading()
		<-done
	}()
	out := &execSink{stream: stream}
	return s.Consoles.Exec(ctx, in.node, in.id, agent.Exec{
		Command: start.Command, TTY: start.Tty, Stdin: stdin,
		Stdout: out.writer(false), Stderr: out.writer(true), Resize: sizes,
	})
}

// receive feeds the command until the client has no more to say. A client that
// breaks off ends the command.
func receive(stream *execStream, feed *io.PipeWriter, sizes chan agent.Size, stop context.CancelCauseFunc) {
	for {
		m, err := stream.Receive()
		if err != nil {
			feed.CloseWithError(io.EOF)
			if !errors.Is(err, io.EOF) {
				stop(fmt.Errorf("the client broke off: %w", err))
			}
			return
		}
		switch b := m.Body.(type) {
		case *controlpb.ExecInput_Stdin:
			// A command that has ended reads no more; what is typed then is lost
			// with it.
			_, _ = feed.Write(b.Stdin)
		case *controlpb.ExecInput_Resize:
			newest(sizes, sizeOf(b.Resize))
		case *controlpb.ExecInput_StdinClosed:
			feed.Close()
		}
	}
}

// newest leaves only the latest size for a reader that is behind.
func newest(sizes chan agent.Size, s agent.Size) {
	select {
	case <-sizes:
	default:
	}
	select {
	case sizes <- s:
	default:
	}
}

func sizeOf(t *controlpb.TerminalSize) agent.Size {
	const most = 1<<16 - 1
	return agent.Size{Rows: uint16(min(t.GetRows(), most)), Cols: uint16(min(t.GetCols(), most))}
}

// execSink lets the two outputs of a command share one stream.
type execSink struct {
	mu     sync.Mutex
	stream *execStream
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (k *execSink) writer(stderr bool) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		m := &controlpb.ExecOutput{Body: &controlpb.ExecOutput_Stdout{Stdout: p}}
		if stderr {
			m.Body = &controlpb.ExecOutput_Stderr{Stderr: p}
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if err := k.stream.Send(m); err != nil {
			return 0, err
		}
		return len(p), nil
	})
}

// runningInstance is the one of a slot to work in: running, not on its way out,
// and of the wanted digest where two run side by side.
func (s *server) runningInstance(st *status.Status, name string) (instance, error) {
	t, err := s.find(st, name)
	if err != nil {
		return instance{}, err
	}
	if t.slot == "" {
		return instance{}, invalid("%s is a workload: name one of its slots, such as %s", name, schema.Slot{Workload: name})
	}
	all := t.instances(st)
	best, rank := instance{}, 0
	for _, in := range all {
		if r := execRank(in.slot, byName(st, t.workload).Digest); r > rank {
			best, rank = in, r
		}
	}
	if rank == 0 {
		return instance{}, notNow("%s has no running container (%s); see `bayplan explain %s`", name, phaseText(all), name)
	}
	return best, nil
}

// execRank orders the instances of one slot; 0 is unfit.
func execRank(x *status.Slot, wanted schema.Digest) int {
	switch {
	case x.Phase != nodes.Running:
		return 0
	case x.Stopping:
		return 1
	case x.Digest != wanted:
		return 2
	}
	return 3
}

func phaseText(all []instance) string {
	if len(all) == 0 {
		return "it has no place"
	}
	x := all[len(all)-1].slot
	if x.Unknown {
		return fmt.Sprintf("its node %s is not heard since the server started", x.Node)
	}
	text := fmt.Sprintf("%s on %s", x.Phase, x.Node)
	if x.Failure != nil {
		text += ": " + x.Failure.Text
	}
	return text
}
