package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/dialogue"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
	"github.com/bayplan/bayplan/nodes/wire/wirepb/wirepbconnect"
)

// welcomeWait is how long a server may take to answer a hello.
const welcomeWait = 10 * time.Second

// renewRetry is how long after a failed renewal the next one is tried, or a
// tenth of the life that is left where that is less.
const (
	renewRetry    = time.Minute
	renewRetryMin = 100 * time.Millisecond
)

type uplinkStream = connect.BidiStreamForClient[wirepb.AgentMessage, wirepb.ServerMessage]

// uplink is one session, seen from the agent. One goroutine writes, one reads
// and hands Assignments to the node, each console has its own; run awaits all.
type uplink struct {
	c    *Client
	node agent.Node
	// tenant is the node where it keeps leases; nil where it does not.
	tenant agent.Tenant
	name   string
	rpc    wirepbconnect.FleetClient
	// due is when the certificate wants to be renewed, expires when it is too
	// late for that.
	due, expires time.Time

	// From the reader to the writer, each holding the newest of its kind.
	welcome  chan *wirepb.Welcome
	resync   chan struct{}
	refusals chan *wirepb.Refused

	mu sync.Mutex
	// end is the writer's, but for what was heard.
	end      dialogue.Agent
	consoles map[string]context.CancelFunc
	work     sync.WaitGroup

	// The writer's own.
	stream *uplinkStream
	seq    dialogue.Count
}

// run never returns nil.
func (u *uplink) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	u.stream = u.rpc.Session(ctx)
	defer closeWhen(ctx, u.stream)()
	u.work.Go(func() { cancel(u.read(ctx)) })
	err := u.write(ctx, cancel)
	if !errors.Is(err, io.EOF) {
		cancel(err)
	}
	// After an EOF it is the reader who learns why.
	<-ctx.Done()
	u.work.Wait()
	return context.Cause(ctx)
}

// closeWhen ends the writing side of a stream when ctx ends. Without it HTTP/2
// looks at ctx only after the next write.
func closeWhen(ctx context.Context, s interface{ CloseRequest() error }) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = s.CloseRequest() }) // a pipe's Close cannot fail
}

// write says hello, sends the full report, then what differs and that the node
// lives.
func (u *uplink) write(ctx context.Context, cancel context.CancelCauseFunc) error {
	err := u.send(&wirepb.AgentMessage{Body: &wirepb.AgentMessage_Hello{Hello: &wirepb.Hello{
		Version: u.c.cfg.Version, Protocol: Protocol, Shared: !u.c.cfg.plain, Images: !u.c.cfg.plain, Leases: u.tenant != nil,
	}}})
	if err != nil {
		return err
	}
	w, err := u.await(ctx)
	if err != nil {
		return err
	}
	if err := u.sendReport(); err != nil {
		return err
	}
	u.c.connected(w)
	u.work.Go(func() { u.keepCertificate(ctx, cancel) })
	beat := time.NewTicker(max(time.Duration(w.HeartbeatMs)*time.Millisecond, time.Millisecond))
	defer beat.Stop()
	for err == nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-u.node.Changed():
			err = u.sendChange()
		case <-u.resync:
			err = u.sendReport()
		case r := <-u.refusals:
			err = u.send(&wirepb.AgentMessage{Body: &wirepb.AgentMessage_Refused{Refused: r}})
		case <-beat.C:
			err = u.heartbeat()
		}
	}
	return err
}

func (u *uplink) await(ctx context.Context) (*wirepb.Welcome, error) {
	late := time.NewTimer(welcomeWait)
	defer late.Stop()
	select {
	case w := <-u.welcome:
		return w, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-late.C:
		return nil, context.DeadlineExceeded
	}
}

func (u *uplink) send(m *wirepb.AgentMessage) error {
	m.Seq = u.seq.Next()
	return u.stream.Send(m)
}

func (u *uplink) sendReport() error {
	r := u.node.Report()
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	u.end.Whole(r)
	return u.send(&wirepb.AgentMessage{Body: &wirepb.AgentMessage_Report{Report: b}})
}

// sendChange sends what differs from what was sent, if anything.
func (u *uplink) sendChange() error {
	c, differs := u.end.Change(u.node.Report())
	if !differs {
		return nil
	}
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing a change: %w", err)
	}
	return u.send(&wirepb.AgentMessage{Body: &wirepb.AgentMessage_Change{Change: b}})
}

// heartbeat looks for a change that nobody signalled, too.
func (u *uplink) heartbeat() error {
	if err := u.sendChange(); err != nil {
		return err
	}
	a := u.node.Holds()
	beat := u.end.Beat(&a)
	u.mark()
	return u.send(&wirepb.AgentMessage{Body: &wirepb.AgentMessage_Heartbeat{Heartbeat: &wirepb.Heartbeat{
		ReportDigest: beat.Report[:], AssignmentDigest: beat.Holds[:],
	}}})
}

// read takes what the server sends until the session ends, and returns why.
func (u *uplink) read(ctx context.Context) error {
	for seq := dialogue.Count(0); ; {
		m, err := u.stream.Receive()
		if errors.Is(err, io.EOF) {
			return errors.New("it ended the session")
		}
		if err != nil {
			return err
		}
		if err := seq.Take(m.Seq); err != nil {
			return fmt.Errorf("it lost its count: %w", err)
		}
		u.handle(ctx, m)
	}
}

// handle ignores a kind of message that a newer server may know.
func (u *uplink) handle(ctx context.Context, m *wirepb.ServerMessage) {
	switch b := m.Body.(type) {
	case *wirepb.ServerMessage_Welcome:
		put(u.welcome, b.Welcome)
	case *wirepb.ServerMessage_Assignment:
		u.assign(decodeAssignment(b.Assignment, u.name))
	case *wirepb.ServerMessage_SharedAssignment:
		u.assign(decodeShared(b.SharedAssignment, u.name))
	case *wirepb.ServerMessage_Settings:
		u.settle(b.Settings)
	case *wirepb.ServerMessage_Heard:
		u.heard(b.Heard)
	case *wirepb.ServerMessage_Resync:
		put(u.resync, struct{}{})
	case *wirepb.ServerMessage_OpenConsole:
		u.openConsole(ctx, b.OpenConsole)
	case *wirepb.ServerMessage_CloseConsole:
		u.closeConsole(b.CloseConsole.Id)
	}
}

// assign hands an Assignment to the node; a refusal goes to the log and to the
// server.
func (u *uplink) assign(a nodes.Assignment, err error) {
	if err == nil {
		err = u.node.Assign(a)
	}
	if err == nil {
		return
	}
	u.c.cfg.Log.Error("assignment refused", "epoch", a.Version.Epoch, "serial", a.Version.Serial, "err", err)
	put(u.refusals, &wirepb.Refused{Epoch: a.Version.Epoch, Serial: a.Version.Serial, Why: err.Error()})
}

// settle hands settings to the node. What this agent does not know of them it
// goes without.
func (u *uplink) settle(m *wirepb.Settings) {
	n, ok := u.node.(agent.Settled)
	if !ok || u.c.cfg.plain {
		return
	}
	var s nodes.Settings
	if err := json.Unmarshal(m.Json, &s); err != nil {
		u.c.cfg.Log.Warn("settings not understood", "err", err)
		return
	}
	n.Settle(s)
}

// keepCertificate renews it in time, and ends the session then, so that the
// next one shows the new one. Until that succeeds the session goes on.
func (u *uplink) keepCertificate(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		wait := u.due.Sub(u.c.cfg.Now())
		if wait <= 0 {
			err := u.c.renew(ctx, u.rpc)
			if err == nil {
				cancel(errRenewed)
				return
			}
			wait = max(min(u.expires.Sub(u.c.cfg.Now())/10, renewRetry), renewRetryMin)
			u.c.cfg.Log.Warn("certificate not renewed", "err", err, "retry", wait)
		}
		// A day at most: a timer stands still while the machine sleeps.
		timer := time.NewTimer(min(wait, 24*time.Hour))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// put leaves v in a channel that holds one, in place of what was there. It has
// one sender.
func put[T any](c chan T, v T) {
	select {
	case <-c:
	default:
	}
	c <- v
}
