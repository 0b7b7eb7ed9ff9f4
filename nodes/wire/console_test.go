package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

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
