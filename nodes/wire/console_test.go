package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
	"github.com/bayplan/bayplan/nodes/wire/wirepb/wirepbconnect"
)

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b) // never fails
	return b
}

func TestLogs_AllOfItInOrder(t *testing.T) {
	c := newCluster(t)
	m, _ := c.node("n1")
	want := noise(8 << 20)
	asked := make(chan agent.LogOptions, 1)
	m.logs = func(_ context.Context, id string, o agent.LogOptions, w io.Writer) error {
		asked <- o
		if id != "web" {
			return fmt.Errorf("no instance %s", id)
		}
		_, err := w.Write(want)
		return err
	}
	opts := agent.LogOptions{Tail: -1, Since: time.Unix(5, 0).UTC(), Timestamps: true}
	var got bytes.Buffer
	if err := c.server.Logs(context.Background(), "n1", "web", opts, &got); err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(got.Bytes()) != sha256.Sum256(want) {
		t.Errorf("%d bytes came of %d", got.Len(), len(want))
	}
	if o := <-asked; o != opts {
		t.Errorf("asked for %+v, want %+v", o, opts)
	}
	err := c.server.Logs(context.Background(), "n1", "gone", opts, io.Discard)
	wantErr(t, err, "node n1: no instance gone")
	wantErr(t, c.server.Logs(context.Background(), "n9", "web", opts, io.Discard), "node n9: it is not connected")
	c.idle(t)
}

// idle checks that no console is left on the server's list.
func (c *cluster) idle(t *testing.T) {
	t.Helper()
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if n := len(c.server.consoles); n != 0 {
		t.Errorf("%d consoles are left", n)
	}
}

func TestLogs_CancelReachesTheAgent(t *testing.T) {
	c := newCluster(t)
	m, _ := c.node("n1")
	ended := make(chan error, 1)
	m.logs = func(ctx context.Context, _ string, _ agent.LogOptions, w io.Writer) error {
		_, err := io.WriteString(w, "one\n")
		<-ctx.Done()
		ended <- ctx.Err()
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := writerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil })
	err := c.server.Logs(ctx, "n1", "web", agent.LogOptions{Follow: true}, w)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Logs: %v", err)
	}
	recv(t, ended, "the end of the agent's Logs")
	c.idle(t)

	broken := writerFunc(func([]byte) (int, error) { return 0, errText("the reader is gone") })
	wantErr(t, c.server.Logs(context.Background(), "n1", "web", agent.LogOptions{Follow: true}, broken), "the reader is gone")
	recv(t, ended, "the end of the agent's Logs")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestLogs_AgentGoesAway(t *testing.T) {
	c := newCluster(t)
	m, stop := c.node("n1")
	m.logs = func(ctx context.Context, _ string, _ agent.LogOptions, w io.Writer) error {
		_, _ = io.WriteString(w, "one\n")
		<-ctx.Done()
		return ctx.Err()
	}
	first := writerFunc(func(b []byte) (int, error) { go stop(); return len(b), nil })
	err := c.server.Logs(context.Background(), "n1", "web", agent.LogOptions{Follow: true}, first)
	wantErr(t, err, "node n1")
	c.idle(t)
}

func TestExec_InputOutputSizesAndExitCode(t *testing.T) {
	c := newCluster(t)
	m, _ := c.node("n1")
	m.exec = func(_ context.Context, id string, e agent.Exec) (int, error) {
		if id != "web" || strings.Join(e.Command, " ") != "cat -v" || !e.TTY {
			return 0, fmt.Errorf("asked for %s %+v", id, e)
		}
		z := <-e.Resize
		if _, err := fmt.Fprintf(e.Stderr, "%dx%d", z.Rows, z.Cols); err != nil {
			return 0, err
		}
		_, err := io.Copy(e.Stdout, e.Stdin)
		return 42, err
	}
	want := noise(4 << 20)
	var out, errs bytes.Buffer
	sizes := make(chan agent.Size, 1)
	sizes <- agent.Size{Rows: 24, Cols: 80}
	code, err := c.server.Exec(context.Background(), "n1", "web", agent.Exec{
		Command: []string{"cat", "-v"}, TTY: true, Stdin: bytes.NewReader(want), Stdout: &out, Stderr: &errs, Resize: sizes,
	})
	if code != 42 || err != nil {
		t.Errorf("exit %d, %v", code, err)
	}
	if !bytes.Equal(out.Bytes(), want) || errs.String() != "24x80" {
		t.Errorf("%d bytes came back of %d; stderr %q", out.Len(), len(want), errs.String())
	}
	c.idle(t)
}

func TestExec_WithoutInput(t *testing.T) {
	c := newCluster(t)
	m, _ := c.node("n1")
	m.exec = func(_ context.Context, _ string, e agent.Exec) (int, error) {
		if e.Stdin != nil {
			return 0, errText("there is a stdin")
		}
		return 3, errText("command not found")
	}
	code, err := c.server.Exec(context.Background(), "n1", "web", agent.Exec{Command: []string{"x"}})
	wantErr(t, err, "node n1: command not found")
	if code != 3 {
		t.Errorf("exit %d", code)
	}
}

// The command reads nothing of a large input: cancelling must still reach it.
func TestExec_CancelWhileInputIsStuck(t *testing.T) {
	c := newCluster(t)
	m, _ := c.node("n1")
	begun, ended := make(chan struct{}), make(chan error, 1)
	m.exec = func(ctx context.Context, _ string, e agent.Exec) (int, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return 0, ctx.Err()
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-begun
		cancel()
	}()
	_, err := c.server.Exec(ctx, "n1", "web", agent.Exec{Command: []string{"x"}, Stdin: endless{}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Exec: %v", err)
	}
	recv(t, ended, "the end of the agent's Exec")
	c.idle(t)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestDisconnect_EndsConsoles(t *testing.T) {
	c := newCluster(t)
	m, _ := c.node("n1")
	m.logs = func(ctx context.Context, _ string, _ agent.LogOptions, w io.Writer) error {
		_, _ = io.WriteString(w, "one\n")
		<-ctx.Done()
		return ctx.Err()
	}
	first := writerFunc(func(b []byte) (int, error) { c.server.Disconnect("n1", "revoked"); return len(b), nil })
	wantErr(t, c.server.Logs(context.Background(), "n1", "web", agent.LogOptions{Follow: true}, first), "revoked")
}

// raw is a node that speaks for itself.
func (c *cluster) raw(node string) (wirepbconnect.FleetClient, func()) {
	c.t.Helper()
	creds, err := LoadCredentials(c.join(node))
	if err != nil {
		c.t.Fatal(err)
	}
	conf, err := creds.TLS(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	l := newLink(conf, c.dial)
	return wirepbconnect.NewFleetClient(l.client, "https://x"), l.close
}

func TestConsole_OnlyTheNodeThatWasAskedMayAnswer(t *testing.T) {
	c := newCluster(t)
	m, _ := c.node("n1")
	rpc, closeLink := c.raw("n2")
	defer closeLink()
	m.logs = func(_ context.Context, _ string, _ agent.LogOptions, w io.Writer) error {
		_, err := io.WriteString(w, "of n1")
		return err
	}
	// Ask, and let the other node try every console before n1 can be served.
	id, k, err := c.server.open("n1", func(error) {}, ConsoleRequest{Instance: "web", Logs: &agent.LogOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	s := rpc.Console(context.Background())
	if err := s.Send(&wirepb.ConsoleMessage{Body: &wirepb.ConsoleMessage_Id{Id: id}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Receive(); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("n2 took a console of n1: %v", err)
	}
	_ = s.CloseRequest()
	d, err := c.server.await(context.Background(), k)
	if err != nil {
		t.Fatal(err)
	}
	first, err := d.stream.Receive()
	if err != nil || string(first.GetStdout()) != "of n1" {
		t.Errorf("%v %v", first, err)
	}
	close(d.done)
	c.server.dismiss("n1", id, false)
}

func TestSession_ProtocolFaults(t *testing.T) {
	hello := func(p uint32) *wirepb.AgentMessage {
		return &wirepb.AgentMessage{Seq: 1, Body: &wirepb.AgentMessage_Hello{Hello: &wirepb.Hello{Protocol: p, Version: "v9"}}}
	}
	for name, x := range map[string]struct {
		send []*wirepb.AgentMessage
		want string
	}{
		"no hello":           {[]*wirepb.AgentMessage{{Seq: 1, Body: &wirepb.AgentMessage_Report{}}}, "the first message is no hello"},
		"another protocol":   {[]*wirepb.AgentMessage{hello(9)}, "the agent (v9) speaks protocol 9, this server 1: upgrade"},
		"a lost message":     {[]*wirepb.AgentMessage{hello(1), {Seq: 3}}, "message 3 came where 2 was due"},
		"an empty message":   {[]*wirepb.AgentMessage{hello(1), {Seq: 2}}, "unknown kind"},
		"a change too early": {[]*wirepb.AgentMessage{hello(1), {Seq: 2, Body: &wirepb.AgentMessage_Change{Change: []byte("{}")}}}, "a change came before"},
		"no JSON":            {[]*wirepb.AgentMessage{hello(1), {Seq: 2, Body: &wirepb.AgentMessage_Report{Report: []byte("{")}}}, "report: unexpected end"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			rpc, closeLink := c.raw("n1")
			defer closeLink()
			s := rpc.Session(context.Background())
			for _, m := range x.send {
				_ = s.Send(m) // the answer tells
			}
			_, err := s.Receive()
			for err == nil {
				_, err = s.Receive()
			}
			wantErr(t, err, x.want)
			_ = s.CloseRequest()
			_ = s.CloseResponse()
		})
	}
}

// A reader that stops reading stops the writer, with little in between.
func TestLogs_SlowReaderHoldsTheAgentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterOn(t, newPipes())
		m, _ := c.node("n1")
		var written atomic.Int64
		m.logs = func(ctx context.Context, _ string, _ agent.LogOptions, w io.Writer) error {
			for ctx.Err() == nil {
				n, err := w.Write(make([]byte, 64<<10))
				written.Add(int64(n))
				if err != nil {
					return err
				}
			}
			return ctx.Err()
		}
		stuck, ctx := make(chan struct{}), context.Background()
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() {
			done <- c.server.Logs(ctx, "n1", "web", agent.LogOptions{Follow: true}, writerFunc(func(b []byte) (int, error) {
				<-stuck
				return len(b), nil
			}))
		}()
		synctest.Wait()
		if n := written.Load(); n == 0 || n > 4<<20 {
			t.Errorf("%d bytes are under way to a reader that reads nothing", n)
		}
		cancel()
		close(stuck)
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Logs: %v", err)
		}
	})
}

func TestLogs_AgentDoesNotDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterOn(t, newPipes())
		rpc, closeLink := c.raw("n1")
		defer closeLink()
		s := rpc.Session(t.Context())
		if err := s.Send(&wirepb.AgentMessage{Seq: 1, Body: &wirepb.AgentMessage_Hello{Hello: &wirepb.Hello{Protocol: Protocol}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Receive(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := c.server.Logs(t.Context(), "n1", "web", agent.LogOptions{}, io.Discard)
		wantErr(t, err, "its agent did not open the console within 10s")
		if d := time.Since(began); d != consoleWait {
			t.Errorf("after %v", d)
		}
		c.idle(t)
		_ = s.CloseRequest()
	})
}

// A connection that died without a word is noticed by both sides within 15 s,
// and the agent dials anew.
func TestRun_DeadConnectionIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterOn(t, newPipes())
		m, _ := c.node("n1")
		c.server.mu.Lock()
		old := c.server.sessions["n1"]
		c.server.mu.Unlock()
		began := time.Now()
		c.pipes.cut()
		<-old.done
		if d := time.Since(began); d > 15*time.Second {
			t.Errorf("the server noticed after %v", d)
		}
		m.set(instance("a", nodes.Running))
		c.see("the node is back", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == 1 })
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("the agent was back after %v", d)
		}
	})
}

// A server that is down for long is asked again at most every 10 s or so.
func TestRun_BackoffIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterOn(t, newPipes())
		dir := c.join("n1")
		var asked []time.Time
		k := c.client(dir, func(k *ClientConfig) {
			k.dial = func(context.Context, string, string) (net.Conn, error) {
				asked = append(asked, time.Now())
				return nil, errText("no route")
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := k.Run(ctx, newMachine("n1")); err != nil {
			t.Fatal(err)
		}
		for n := range asked[1:] {
			if d := asked[n+1].Sub(asked[n]); d > 10*time.Second {
				t.Errorf("attempt %d came after %v", n, d)
			}
		}
		if n := len(asked); n < 60 || n > 300 {
			t.Errorf("%d attempts in 10 minutes", n)
		}
		if n := strings.Count(c.log.text(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings of one trouble", n)
		}
	})
}
