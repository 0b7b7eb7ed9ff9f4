package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

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
