package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb/controlpbconnect"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/fakecluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves a cluster in memory over HTTP/2.
func start(t *testing.T) (*fakecluster.Cluster, *httptest.Server, controlpbconnect.ControlClient) {
	t.Helper()
	c := fakecluster.New(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), "n1")
	_, h := serve.New(serve.Config{
		Cluster: c, Consoles: c, Joiner: c, Identity: func(*http.Request) string { return "admin" }, Log: slog.New(slog.DiscardHandler),
	})
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return c, s, controlpbconnect.NewControlClient(s.Client(), s.URL)
}

var errEnough = errors.New("enough")

func watch(c controlpbconnect.ControlClient, each func(*status.Status) error, notice func(string)) Watcher {
	return Watcher{
		Open: func(ctx context.Context) (*connect.ServerStreamForClient[controlpb.Document], error) {
			return c.WatchStatus(ctx, connect.NewRequest(&controlpb.StatusRequest{}))
		},
		Each: func(raw []byte) error {
			st := new(status.Status)
			if err := json.Unmarshal(raw, st); err != nil {
				return err
			}
			return each(st)
		},
		Notice: notice,
	}
}

func TestWatcher_OutlivesALostConnection(t *testing.T) {
	fc, s, c := start(t)
	seen, told := 0, []string{}
	err := watch(c, func(st *status.Status) error {
		if seen++; seen == 1 {
			s.CloseClientConnections()
			fc.End(reconciler.Applied, "")
			return nil
		}
		if st.Revision.Outcome != reconciler.Applied {
			t.Errorf("outcome %q", st.Revision.Outcome)
		}
		return errEnough
	}, func(text string) { told = append(told, text) }).Run(t.Context())
	// The change may have come before the connection broke; then nothing was told.
	if want := "the server went away; waiting for it|the server is back"; !errors.Is(err, errEnough) || len(told) > 0 && strings.Join(told, "|") != want {
		t.Fatalf("err %v, told %q, want %q", err, told, want)
	}
}

func TestWatcher_NoServerFromTheStartIsAnError(t *testing.T) {
	_, s, c := start(t)
	s.Close()
	err := watch(c, func(*status.Status) error { return nil }, func(string) { t.Error("a server that never was did not go away") }).Run(t.Context())
	if got := exit.CodeOf(Classify(err)); got != exit.Unreachable {
		t.Fatalf("%v: code %d", err, got)
	}
}

func TestWatcher_PatientWaitsForTheFirstAnswer(t *testing.T) {
	_, s, c := start(t)
	s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	told := 0
	w := watch(c, func(*status.Status) error { return nil }, func(string) { told++ })
	w.Patient = true
	err := w.Run(ctx)
	if got := exit.CodeOf(Classify(err)); got != exit.Unreachable || ctx.Err() == nil || told != 1 {
		t.Fatalf("%v: code %d, told %d times, context %v", err, got, told, ctx.Err())
	}
}

func TestWatcher_EndsWithItsContext(t *testing.T) {
	_, s, c := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := watch(c, func(*status.Status) error { s.CloseClientConnections(); s.Close(); return nil }, func(string) { cancel() }).Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// wire makes an error as the server's answer carries it.
func wire(t *testing.T, code connect.Code, text string) error {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := connect.NewErrorWriter().Write(w, r, connect.NewError(code, errors.New(text))); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	_, err := controlpbconnect.NewControlClient(s.Client(), s.URL).Info(t.Context(), connect.NewRequest(&controlpb.InfoRequest{}))
	return err
}

func TestClassify_Table(t *testing.T) {
	for _, x := range []struct {
		err  error
		code exit.Code
		text string
	}{
		{errors.New("plain"), exit.Failure, "plain"},
		{exit.Silent(42), 42, ""},
		{wire(t, connect.CodeNotFound, "no such slot"), exit.Failure, "no such slot"},
		{wire(t, connect.CodeDeadlineExceeded, "the registry is slow"), exit.Timeout, "the registry is slow"},
		{wire(t, connect.CodeDeadlineExceeded, "context deadline exceeded"), exit.Timeout, "the server did not answer in time\n  next: bayplan doctor"},
		{wire(t, connect.CodeCanceled, "context canceled"), exit.Unreachable, "the server broke off: it is stopping\n  next: bayplan doctor"},
		{fmt.Errorf("asking git: %w", context.DeadlineExceeded), exit.Timeout, "asking git: it took too long\n  next: bayplan doctor"},
		{context.DeadlineExceeded, exit.Timeout, "it took too long\n  next: bayplan doctor"},
		{wire(t, connect.CodeUnauthenticated, "who are you"), exit.Failure, "who are you\n  next: check $BAYPLAN_CERT and $BAYPLAN_KEY"},
		{wire(t, connect.CodeUnimplemented, "x"), exit.Failure, "the server is older than this client and does not know this call\n  next: bayplan doctor"},
		{wire(t, connect.CodeUnavailable, "the node is away"), exit.Failure, "the node is away"},
		{connect.NewError(connect.CodeUnavailable, errors.New("EOF")), exit.Unreachable, "the server does not answer: EOF\n  next: bayplan doctor"},
		{connect.NewError(connect.CodeDeadlineExceeded, errors.New("x")), exit.Timeout, "the server did not answer in time\n  next: bayplan doctor"},
		{connect.NewError(connect.CodeResourceExhausted, errors.New("too large")), exit.Failure, "too large"},
	} {
		err := Classify(x.err)
		if exit.CodeOf(err) != x.code || exit.Text(err) != x.text {
			t.Errorf("%v: code %d, text %q; want %d, %q", x.err, exit.CodeOf(err), exit.Text(err), x.code, x.text)
		}
	}
}
