package serve_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb/controlpbconnect"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/fakecluster"
)

func TestEvents_LastAndWorkloadAndFollow(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	for _, e := range []status.Event{
		{Kind: "order", Workload: "shop/web", Slot: "shop/web.0", Text: "1"},
		{Kind: "order", Slot: "shop/api.0", Text: "2"},
		{Kind: "phase", Workload: "shop/web", Text: "3"},
		{Kind: "node", Node: "n1", Text: "4"},
		{Kind: "problem", Subject: "shop", Text: "5"},
	} {
		fc.Record(e)
	}
	c := start(t, fc)
	for _, x := range []struct {
		r    *controlpb.EventsRequest
		want string
	}{
		{&controlpb.EventsRequest{}, "12345"},
		{&controlpb.EventsRequest{Last: 2}, "45"},
		{&controlpb.EventsRequest{Workload: "shop/web"}, "13"},
		{&controlpb.EventsRequest{Workload: "shop/web", Last: 1}, "3"},
		{&controlpb.EventsRequest{Workload: "shop"}, "1235"},
		{&controlpb.EventsRequest{Workload: "shop/web.0"}, "1"},
	} {
		s, err := c.Events(t.Context(), connect.NewRequest(x.r))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for s.Receive() {
			got += decode[status.Event](t, s.Msg()).Text
		}
		if got != x.want || s.Err() != nil {
			t.Errorf("%v: %s, %v; want %s", x.r, got, s.Err(), x.want)
		}
	}
}

func TestEvents_FollowSendsEachOnce(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	fc.Record(status.Event{Text: "0"})
	c := start(t, fc)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := c.Events(ctx, connect.NewRequest(&controlpb.EventsRequest{Follow: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 20 {
		if !s.Receive() || decode[status.Event](t, s.Msg()).Text != strings.Repeat("0", i+1) {
			t.Fatalf("event %d: %s %v", i, s.Msg().GetJson(), s.Err())
		}
		fc.Record(status.Event{Text: strings.Repeat("0", i+2)})
	}
}

// line is one chunk of a log stream.
type line struct{ slot, text, trouble string }

// lines reads the next n chunks; n < 0 reads to the end.
func lines(t *testing.T, s *connect.ServerStreamForClient[controlpb.LogChunk], n int) []line {
	t.Helper()
	var all []line
	for len(all) != n && s.Receive() {
		all = append(all, line{s.Msg().Slot, string(s.Msg().Data), s.Msg().Error})
	}
	if n >= 0 && len(all) < n {
		t.Fatalf("the stream ended after %d of %d: %v", len(all), n, s.Err())
	}
	return all
}

func logsOf(t *testing.T, ctx context.Context, c controlpbconnect.ControlClient, r *controlpb.LogsRequest) *connect.ServerStreamForClient[controlpb.LogChunk] {
	t.Helper()
	s, err := c.Logs(ctx, connect.NewRequest(r))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestLogs_WorkloadSlotBySlot(t *testing.T) {
	fc := fakecluster.New(epoch, "n1", "n2")
	w := web("shop/web", 2)
	fc.Apply(schema.Spec{Workloads: []schema.Workload{w}})
	fc.Print("n1", instanceID(w, 0), "a\n")
	fc.Print("n2", instanceID(w, 1), "b")
	fc.Print("n2", instanceID(w, 1), "c\nd")
	c := start(t, fc)
	got := lines(t, logsOf(t, t.Context(), c, &controlpb.LogsRequest{Of: "shop/web", Tail: -1}), -1)
	want := []line{{"shop/web.0", "a\n", ""}, {"shop/web.1", "bc\n", ""}, {"shop/web.1", "d", ""}}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Fatalf("got %q, want %q", got, want)
	}
	one := lines(t, logsOf(t, t.Context(), c, &controlpb.LogsRequest{Of: "shop/web.0", Tail: -1, Timestamps: true}), -1)
	if len(one) != 1 || one[0].text != "2026-03-01T12:00:00Z a\n" {
		t.Fatalf("got %q", one)
	}
}

func TestLogs_TroubleOfOneSlotLeavesTheOthers(t *testing.T) {
	fc := fakecluster.New(epoch, "n1", "n2")
	w := web("shop/web", 2)
	fc.Apply(schema.Spec{Workloads: []schema.Workload{w}})
	fc.Print("n2", instanceID(w, 1), "b\n")
	fc.Change(func(s *status.Status) { s.Workloads[0].Slots[0].Node = "n9" })
	got := lines(t, logsOf(t, t.Context(), start(t, fc), &controlpb.LogsRequest{Of: "shop/web", Tail: -1}), -1)
	if len(got) != 2 || !strings.Contains(got[0].trouble, "n9 has no container") || got[1].text != "b\n" {
		t.Fatalf("got %q", got)
	}
}

// What a run's attempts wrote that were stopped is read from the nodes that they
// were on, oldest run first, before what is there now; a node that has nothing of
// one any more is no trouble.
func TestLogs_OfAttemptsThatWereStopped(t *testing.T) {
	fc := fakecluster.New(epoch, "n1", "n2")
	w := web("shop/load", 1)
	fc.Apply(schema.Spec{Workloads: []schema.Workload{w}})
	fc.Print("n1", instanceID(w, 0), "now\n")
	fc.Print("n2", "shop/load.3@old", "was ended\n")
	attempt := func(slot, node, id string) status.Run {
		return status.Run{Slots: []status.RunSlot{{Slot: slot, Node: node, Instance: id, Attempt: 1, State: "ended"}}}
	}
	fc.Change(func(s *status.Status) {
		s.Workloads[0].Runs = []status.Run{attempt("shop/load.0", "n1", instanceID(w, 0)), attempt("shop/load.3", "n2", "shop/load.3@old"), attempt("shop/load.1", "n9", "shop/load.1@gone")}
	})
	c := start(t, fc)
	got := lines(t, logsOf(t, t.Context(), c, &controlpb.LogsRequest{Of: "shop/load", Tail: -1}), -1)
	if want := []line{{"shop/load.3", "was ended\n", ""}, {"shop/load.0", "now\n", ""}}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	fc.Change(func(s *status.Status) { s.Workloads[0].Slots = nil })
	one := lines(t, logsOf(t, t.Context(), c, &controlpb.LogsRequest{Of: "shop/load.3", Tail: -1}), -1)
	if len(one) != 1 || one[0].text != "was ended\n" {
		t.Errorf("of one slot: %q", one)
	}
}

func TestLogs_NothingToRead(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	fc.Apply(schema.Spec{Workloads: []schema.Workload{web("shop/web", 1)}})
	fc.Change(func(s *status.Status) { s.Workloads[0].Slots[0].Container = "" })
	c := start(t, fc)
	for of, code := range map[string]connect.Code{"shop/web": connect.CodeFailedPrecondition, "shop/wbe": connect.CodeNotFound, "": connect.CodeInvalidArgument} {
		s := logsOf(t, t.Context(), c, &controlpb.LogsRequest{Of: of})
		lines(t, s, -1)
		wantCode(t, s.Err(), code, "")
	}
}

func TestLogs_FollowPicksUpNewSlots(t *testing.T) {
	fc := fakecluster.New(epoch, "n1", "n2")
	w := web("shop/web", 1)
	fc.Apply(schema.Spec{Workloads: []schema.Workload{w}})
	fc.Print("n1", instanceID(w, 0), "old\n")
	fc.Print("n1", instanceID(w, 0), "a\n")
	s := logsOf(t, t.Context(), start(t, fc), &controlpb.LogsRequest{Of: "shop/web", Follow: true, Tail: 1})
	if got := lines(t, s, 1); got[0] != (line{"shop/web.0", "a\n", ""}) {
		t.Fatalf("first %q", got)
	}
	two := web("shop/web", 2)
	fc.Print("n2", instanceID(two, 1), "b\n")
	fc.Apply(schema.Spec{Workloads: []schema.Workload{two}})
	if got := lines(t, s, 1); got[0] != (line{"shop/web.1", "b\n", ""}) {
		t.Fatalf("a new slot: %q", got)
	}
	fc.Print("n1", instanceID(w, 0), "c\n")
	if got := lines(t, s, 1); got[0] != (line{"shop/web.0", "c\n", ""}) {
		t.Fatalf("the old slot goes on: %q", got)
	}
	fc.Finish("n1", instanceID(w, 0))
	fc.Finish("n2", instanceID(w, 1))
	fc.Apply(schema.Spec{})
	if got := lines(t, s, -1); len(got) != 0 || s.Err() != nil {
		t.Fatalf("the end: %q %v", got, s.Err())
	}
}

func TestLogs_FollowGoesOnAfterARestart(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	w := web("shop/web", 1)
	id := instanceID(w, 0)
	fc.Apply(schema.Spec{Workloads: []schema.Workload{w}})
	fc.Print("n1", id, "first life\n")
	s := logsOf(t, t.Context(), start(t, fc), &controlpb.LogsRequest{Of: "shop/web.0", Follow: true, Tail: -1})
	if got := lines(t, s, 1); got[0].text != "first life\n" {
		t.Fatalf("got %q", got)
	}
	fc.Finish("n1", id)
	fc.Restart("shop/web.0", "n1", id)
	fc.Print("n1", id, "second life\n")
	if got := lines(t, s, 1); got[0].text != "second life\n" {
		t.Fatalf("after the restart: %q", got)
	}
}

func TestLogs_FollowEndsWithTheClient(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	fc.Apply(schema.Spec{Workloads: []schema.Workload{web("shop/web", 1)}})
	ctx, cancel := context.WithCancel(t.Context())
	s := logsOf(t, ctx, start(t, fc), &controlpb.LogsRequest{Of: "shop/web", Follow: true})
	cancel()
	if lines(t, s, -1); s.Err() == nil {
		t.Fatal("the stream ended well")
	}
	// goleak, in TestMain, sees a follower that stays.
}

// execResult is what a client saw of a command.
type execResult struct {
	stdout, stderr string
	code           int32
}

func exec(t *testing.T, c controlpbconnect.ControlClient, stdin []string, start *controlpb.ExecStart) (execResult, error) {
	t.Helper()
	s := c.Exec(t.Context())
	defer s.CloseResponse()
	defer s.CloseRequest()
	if err := s.Send(&controlpb.ExecInput{Body: &controlpb.ExecInput_Start{Start: start}}); err != nil && !errors.Is(err, io.EOF) {
		return execResult{}, err
	}
	for _, in := range stdin {
		if err := s.Send(&controlpb.ExecInput{Body: &controlpb.ExecInput_Stdin{Stdin: []byte(in)}}); err != nil {
			return execResult{}, err
		}
	}
	if stdin != nil {
		if err := s.Send(&controlpb.ExecInput{Body: &controlpb.ExecInput_StdinClosed{StdinClosed: true}}); err != nil {
			return execResult{}, err
		}
	}
	return execOutput(s)
}

func execOutput(s *connect.BidiStreamForClient[controlpb.ExecInput, controlpb.ExecOutput]) (r execResult, err error) {
	for {
		m, err := s.Receive()
		if err != nil {
			return r, err
		}
		r.stdout += string(m.GetStdout())
		r.stderr += string(m.GetStderr())
		if end := m.GetEnd(); end != nil {
			r.code = end.ExitCode
			return r, nil
		}
	}
}

func TestExec_OutputInputAndExitCode(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	fc.Apply(schema.Spec{Workloads: []schema.Workload{web("shop/web", 1)}})
	c := start(t, fc)
	run := func(stdin []string, command ...string) execResult {
		r, err := exec(t, c, stdin, &controlpb.ExecStart{Slot: "shop/web.0", Command: command, Tty: true, Size: &controlpb.TerminalSize{Rows: 1 << 20, Cols: 80}})
		if err != nil {
			t.Fatal(command, err)
		}
		return r
	}
	for _, x := range []struct {
		got, want execResult
	}{
		{run(nil, "echo", "hi"), execResult{"hi\n", "", 0}},
		{run(nil, "fail", "oh"), execResult{"", "oh\n", 1}},
		{run(nil, "exit", "42"), execResult{"", "", 42}},
		{run([]string{"a", "b"}, "cat"), execResult{"ab", "", 0}},
		{run(nil, "size"), execResult{"65535 rows, 80 columns, tty true\n", "", 0}},
	} {
		if x.got != x.want {
			t.Errorf("got %+v, want %+v", x.got, x.want)
		}
	}
}

func TestExec_Refusals(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	fc.Apply(schema.Spec{Workloads: []schema.Workload{web("shop/api", 1), web("shop/web", 1)}})
	fc.Change(func(s *status.Status) {
		x := &s.Workloads[0].Slots[0]
		x.Phase, x.Failure = nodes.Pulling, &nodes.Failure{Text: "the registry is down"}
	})
	c := start(t, fc)
	for _, x := range []struct {
		start *controlpb.ExecStart
		code  connect.Code
		text  string
	}{
		{nil, connect.CodeInvalidArgument, "begins with"},
		{&controlpb.ExecStart{Slot: "shop/web.0"}, connect.CodeInvalidArgument, "a command"},
		{&controlpb.ExecStart{Slot: "shop/web", Command: []string{"ls"}}, connect.CodeInvalidArgument, "shop/web.0"},
		{&controlpb.ExecStart{Slot: "shop/web.7", Command: []string{"ls"}}, connect.CodeFailedPrecondition, "it has no place"},
		{&controlpb.ExecStart{Slot: "shop/api.0", Command: []string{"ls"}}, connect.CodeFailedPrecondition, "pulling on n1: the registry is down"},
		{&controlpb.ExecStart{Slot: "shop/none.0", Command: []string{"ls"}}, connect.CodeNotFound, "no workload"},
		{&controlpb.ExecStart{Slot: "shop/web.0", Command: []string{"panic"}}, connect.CodeInternal, "broke"},
	} {
		_, err := exec(t, c, nil, x.start)
		wantCode(t, err, x.code, x.text)
	}
}

func TestExec_PrefersTheWantedInstance(t *testing.T) {
	fc := fakecluster.New(epoch, "n1", "n2")
	w := web("shop/web", 1)
	fc.Apply(schema.Spec{Workloads: []schema.Workload{w}})
	fc.Change(func(s *status.Status) {
		old := s.Workloads[0].Slots[0]
		old.Digest, old.Node = "0123456789abcdef", "n2"
		s.Workloads[0].Slots = append(s.Workloads[0].Slots, old)
	})
	if r, err := exec(t, start(t, fc), nil, &controlpb.ExecStart{Slot: "shop/web.0", Command: []string{"echo", "new"}}); err != nil || r.stdout != "new\n" {
		t.Fatal(r, err)
	}
}

func TestExec_ClientThatLeavesEndsTheCommand(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	fc.Apply(schema.Spec{Workloads: []schema.Workload{web("shop/web", 1)}})
	c := start(t, fc)
	ctx, cancel := context.WithCancel(t.Context())
	s := c.Exec(ctx)
	if err := s.Send(&controlpb.ExecInput{Body: &controlpb.ExecInput_Start{Start: &controlpb.ExecStart{Slot: "shop/web.0", Command: []string{"hang"}}}}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := s.Receive(); err == nil {
		t.Fatal("the stream went on")
	}
	// goleak, in TestMain, sees a handler that stays.
}
