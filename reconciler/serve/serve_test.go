package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb/controlpbconnect"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
	"github.com/bayplan/bayplan/testenv/fakecluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// web is a workload of n slots.
func web(name string, n int) schema.Workload {
	return schema.Workload{Name: name, Kind: schema.Service, Image: "registry/" + name + ":1", Replicas: n, Resources: schema.Resources{CPU: 100},
		Restart: schema.Restart{Backoff: schema.Duration(time.Second), MaxBackoff: schema.Duration(time.Minute)},
		Update: schema.Update{Strategy: "rolling", MaxSurge: schema.Amount{Count: 1},
			HealthyDeadline: schema.Duration(time.Minute), ProgressDeadline: schema.Duration(time.Minute)}}
}

// instanceID is the name of a slot's instance of w.
func instanceID(w schema.Workload, index int) string {
	return nodes.InstanceID(schema.Slot{Workload: w.Name, Index: index}, w.Digest())
}

// start serves c over TLS and HTTP/2; a call's name is its Name header.
func start(t *testing.T, c *fakecluster.Cluster) controlpbconnect.ControlClient {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(serve.New(serve.Config{
		Cluster: c, Consoles: c, Joiner: c, Name: "harbour", Version: "v1", Source: "file:///repo.git", Branch: "main",
		Identity: func(r *http.Request) string { return r.Header.Get("Name") },
		Log:      slog.New(slog.DiscardHandler),
	}))
	ts := httptest.NewUnstartedServer(mux)
	ts.EnableHTTP2 = true
	ts.StartTLS()
	t.Cleanup(ts.Close)
	t.Cleanup(ts.CloseClientConnections)
	return controlpbconnect.NewControlClient(ts.Client(), ts.URL, connect.WithInterceptors(named("admin")))
}

// named sets the Name header of every call.
type named string

func (n named) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		setName(r.Header(), string(n))
		return next(ctx, r)
	}
}

func (n named) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, s connect.Spec) connect.StreamingClientConn {
		c := next(ctx, s)
		setName(c.RequestHeader(), string(n))
		return c
	}
}

func (n named) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func setName(h http.Header, name string) {
	if h.Get("Name") == "" {
		h.Set("Name", name)
	}
}

func decode[T any](t *testing.T, d *controlpb.Document) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(d.Json, &v); err != nil {
		t.Fatalf("%v in %s", err, d.Json)
	}
	return v
}

func wantCode(t *testing.T, err error, code connect.Code, text string) {
	t.Helper()
	if connect.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Fatalf("error %v (code %v), want code %v and %q", err, connect.CodeOf(err), code, text)
	}
}

func TestInfo_NamesClusterAndSource(t *testing.T) {
	c := start(t, fakecluster.New(epoch, "n1"))
	r, err := c.Info(t.Context(), connect.NewRequest(&controlpb.InfoRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if r.Msg.Cluster != "harbour" || r.Msg.Source != "file:///repo.git" || r.Msg.Branch != "main" || r.Msg.Version != "v1" {
		t.Fatalf("info %v", r.Msg)
	}
}

func TestCall_WithoutIdentityIsRefused(t *testing.T) {
	fc := fakecluster.New(epoch)
	_, h := serve.New(serve.Config{Cluster: fc, Consoles: fc, Joiner: fc, Identity: func(*http.Request) string { return "" }})
	ts := httptest.NewServer(h)
	defer ts.Close()
	c := controlpbconnect.NewControlClient(ts.Client(), ts.URL)
	_, err := c.Info(t.Context(), connect.NewRequest(&controlpb.InfoRequest{}))
	wantCode(t, err, connect.CodeUnauthenticated, "operator's certificate")
}

func TestStatus_MatchKeepsOnlyWhatIsAsked(t *testing.T) {
	fc := fakecluster.New(epoch, "n1", "n2")
	fc.Apply(schema.Spec{Workloads: []schema.Workload{web("infra/db", 1), web("shop/api", 1), web("shop/web", 2)}})
	fc.Change(func(s *status.Status) {
		s.Problems = []status.Problem{{Code: "a", Subject: "infra/db"}, {Code: "b", Subject: "shop/web.1"}, {Code: "git-unreachable"}}
	})
	c := start(t, fc)
	ask := func(m string) (status.Status, error) {
		r, err := c.Status(t.Context(), connect.NewRequest(&controlpb.StatusRequest{Match: m}))
		if err != nil {
			return status.Status{}, err
		}
		return decode[status.Status](t, r.Msg), nil
	}
	for match, want := range map[string]struct{ workloads, problems int }{
		"": {3, 3}, "shop": {2, 2}, "shop/": {2, 2}, "shop/web": {1, 2}, "infra": {1, 2},
	} {
		st, err := ask(match)
		if err != nil || len(st.Workloads) != want.workloads || len(st.Problems) != want.problems || len(st.Nodes) != 2 {
			t.Errorf("match %q: %d workloads, %d problems, %d nodes, %v", match, len(st.Workloads), len(st.Problems), len(st.Nodes), err)
		}
	}
	_, err := ask("sho")
	wantCode(t, err, connect.CodeNotFound, "there are infra/db, shop/api, shop/web")
}

func TestWatchStatus_SlowReaderGetsTheNewest(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	c := start(t, fc)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := c.WatchStatus(ctx, connect.NewRequest(&controlpb.StatusRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Receive() {
		t.Fatal(s.Err())
	}
	// Far more bytes than a connection holds: a queue would deliver every one.
	const changes = 150
	bulk := strings.Repeat("x", 200<<10)
	for i := range changes {
		fc.Change(func(st *status.Status) {
			st.Revision.Subject = bulk
			st.Revision.Reason = string(rune('a' + i%26))
			st.Revision.Author = "last"
			if i < changes-1 {
				st.Revision.Author = "other"
			}
		})
	}
	got := 0
	for s.Receive() {
		got++
		if decode[status.Status](t, s.Msg()).Revision.Author == "last" {
			break
		}
	}
	if got == 0 || got > changes/2 {
		t.Fatalf("received %d of %d documents: want the newest and few before it", got, changes)
	}
}

func TestWatchStatus_SameDocumentIsSentOnce(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	c := start(t, fc)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := c.WatchStatus(ctx, connect.NewRequest(&controlpb.StatusRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Receive()
	fc.Change(func(*status.Status) {})
	fc.End(reconciler.Applied, "")
	if !s.Receive() || decode[status.Status](t, s.Msg()).Revision.Outcome != reconciler.Applied {
		t.Fatalf("second document %s, %v", s.Msg().GetJson(), s.Err())
	}
}

func TestPlan_AnswersAndRefuses(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	c := start(t, fc)
	ask := func(spec string) (*status.Preview, error) {
		r, err := c.Plan(t.Context(), connect.NewRequest(&controlpb.PlanRequest{Spec: []byte(spec)}))
		if err != nil {
			return nil, err
		}
		p := decode[status.Preview](t, r.Msg)
		return &p, nil
	}
	spec, err := json.Marshal(schema.Spec{Workloads: []schema.Workload{web("b/web", 1), web("a/web", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ask(string(spec))
	if err != nil || len(p.Changes) != 2 || p.Changes[0].Workload != "a/web" || p.Changes[0].Slots[0].To != "n1" {
		t.Fatalf("preview %+v, %v", p, err)
	}
	_, err = ask("{")
	wantCode(t, err, connect.CodeInvalidArgument, "the plan's spec")
	_, err = ask(`"` + strings.Repeat("x", serve.MaxMessage) + `"`)
	wantCode(t, err, connect.CodeResourceExhausted, "")
}

// What the loader makes of a tree with every kind is planned, beside one another.
func TestPlan_TakesEveryKind(t *testing.T) {
	tree := ""
	for kind, more := range map[schema.Kind]string{schema.Service: "", schema.Daemon: "", schema.Stateful: "",
		schema.Job: "completions: 2, parallelism: 2", schema.Cron: `schedule: "@hourly"`} {
		tree += fmt.Sprintf("workloads: \"%s\": {kind: %q, image: \"registry/x:1\"\n%s}\n", kind, kind, more)
	}
	spec, err := load.Load(fstest.MapFS{"t/all.cue": {Data: []byte(tree)}}, schema.Revision{Commit: strings.Repeat("a", 40)})
	if err != nil || len(spec.Workloads) != len(schema.Kinds) {
		t.Fatalf("the tree %+v, %v", spec, err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, fakecluster.New(epoch, "n1"))
	r, err := c.Plan(t.Context(), connect.NewRequest(&controlpb.PlanRequest{Spec: text}))
	if err != nil {
		t.Fatal(err)
	}
	planned := map[string]bool{}
	for _, change := range decode[status.Preview](t, r.Msg).Changes {
		planned[change.Workload] = true
	}
	for _, kind := range schema.Kinds {
		if !planned["t/"+string(kind)] {
			t.Errorf("nothing is planned of the %s: %v", kind, planned)
		}
	}
}

// A client's spec is held to what the loader would have made.
func TestPlan_RefusesWhatNoLoaderMakes(t *testing.T) {
	c := start(t, fakecluster.New(epoch, "n1"))
	with := func(change func(*schema.Workload)) []schema.Workload {
		w := web("a/web", 1)
		change(&w)
		return []schema.Workload{w}
	}
	var many, large []schema.Workload
	for i := range 10_001 {
		many = append(many, web(fmt.Sprintf("a/w%d", i), 1))
	}
	for i := range 11 {
		large = append(large, web(fmt.Sprintf("a/w%d", i), 10_000))
	}
	for want, workloads := range map[string][]schema.Workload{
		"it has two workloads a/web":                         {web("a/web", 1), web("a/web", 2)},
		"it has 10001 workloads, and 10000 are the limit":    many,
		"it asks for 110000 slots, and 100000 are the limit": large,
		`"a/Web" is no workload's name`:                      {web("a/Web", 1)},
		`"" is no workload's name`:                           {web("", 1)},
		"replicas: want a whole number from 0 to 10000":      {web("a/web", 1_000_000_000)},
		"from 0 to 10000, got -1":                            {web("a/web", -1)},
		`"batch" is no kind`:                                 with(func(w *schema.Workload) { w.Kind = "batch" }),
		"completions and parallelism: want whole numbers":    with(func(w *schema.Workload) { w.Kind, w.Completions = schema.Job, 1_001 }),
		"from 1 to 1000, got 1 and 0":                        with(func(w *schema.Workload) { w.Kind, w.Completions = schema.Cron, 1 }),
		"update: want counts up to 10000":                    with(func(w *schema.Workload) { w.Update.MaxSurge.Count = 1 << 40 }),
		"port http: want ports up to 65535":                  with(func(w *schema.Workload) { w.Ports = map[string]schema.Port{"http": {Container: 70_000}} }),
		"workload a/web: restart.maxBackoff":                 with(func(w *schema.Workload) { w.Restart.MaxBackoff = 0 }),
	} {
		text, err := json.Marshal(schema.Spec{Workloads: workloads})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Plan(t.Context(), connect.NewRequest(&controlpb.PlanRequest{Spec: text}))
		wantCode(t, err, connect.CodeInvalidArgument, want)
	}
}

func TestExplain_KnownUnknownAndWorkload(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	fc.Apply(schema.Spec{Workloads: []schema.Workload{web("shop/web", 1)}})
	c := start(t, fc)
	r, err := c.Explain(t.Context(), connect.NewRequest(&controlpb.ExplainRequest{Slot: "shop/web.0"}))
	if err != nil || decode[status.Explanation](t, r.Msg).Text != "shop/web.0 is on n1" {
		t.Fatal(r, err)
	}
	for slot, want := range map[string]struct {
		code connect.Code
		text string
	}{
		"shop/web":   {connect.CodeInvalidArgument, "shop/web.0"},
		"shop":       {connect.CodeInvalidArgument, "no slot"},
		"shop/web.9": {connect.CodeNotFound, "no slot shop/web.9"},
	} {
		_, err := c.Explain(t.Context(), connect.NewRequest(&controlpb.ExplainRequest{Slot: slot}))
		wantCode(t, err, want.code, want.text)
	}
}

func TestMoves_IsADocument(t *testing.T) {
	c := start(t, fakecluster.New(epoch, "n1"))
	r, err := c.Moves(t.Context(), connect.NewRequest(&controlpb.MovesRequest{Budget: 1 << 31}))
	if err != nil {
		t.Fatal(err)
	}
	if got := decode[status.Moves](t, r.Msg); got.Schema != status.Schema || got.Moves == nil || len(got.Moves) > 0 {
		t.Error(got)
	}
}

func TestApprove_RecordsWho(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	fc.Commit(status.Revision{Commit: strings.Repeat("ab", 20), Outcome: reconciler.Held, Removals: []string{"shop/web"}})
	c := start(t, fc)
	_, err := c.Approve(t.Context(), connect.NewRequest(&controlpb.ApproveRequest{Commit: "main"}))
	wantCode(t, err, connect.CodeInvalidArgument, "no commit")
	r, err := c.Approve(t.Context(), connect.NewRequest(&controlpb.ApproveRequest{Commit: "ABAB", Actor: "ann\n" + strings.Repeat("n", 200)}))
	if err != nil || r.Msg.Commit != strings.Repeat("ab", 20) {
		t.Fatal(r, err)
	}
	want := r.Msg.Commit + " by ann" + strings.Repeat("n", 97) + " (certificate admin)"
	if got := fc.Approvals(); len(got) != 1 || got[0] != want {
		t.Fatalf("approvals %q, want %q", got, want)
	}
	_, err = c.Approve(t.Context(), connect.NewRequest(&controlpb.ApproveRequest{Commit: "abab"}))
	wantCode(t, err, connect.CodeFailedPrecondition, "not Held")
}

func TestRemoveNode_RecordsWho(t *testing.T) {
	fc := fakecluster.New(epoch, "n1", "n2")
	c := start(t, fc)
	remove := func(node string, force bool) error {
		_, err := c.RemoveNode(t.Context(), connect.NewRequest(&controlpb.RemoveNodeRequest{Node: node, Force: force, Actor: "ann"}))
		return err
	}
	wantCode(t, remove("", true), connect.CodeInvalidArgument, "name a node")
	wantCode(t, remove("n7", true), connect.CodeNotFound, "no node n7")
	wantCode(t, remove("n1", false), connect.CodeFailedPrecondition, "bayplan node rm --force n1")
	if err := remove("n1", true); err != nil {
		t.Fatal(err)
	}
	if got := fc.Removals(); len(got) != 1 || got[0] != "n1 by ann (certificate admin)" { // I39
		t.Errorf("removals %q", got)
	}
}

func TestJoinToken_Bounds(t *testing.T) {
	fc := fakecluster.New(epoch, "n1")
	c := start(t, fc)
	r, err := c.JoinToken(t.Context(), connect.NewRequest(&controlpb.JoinTokenRequest{}))
	if err != nil || r.Msg.ExpiresUnix != epoch.Add(time.Hour).Unix() || !strings.Contains(r.Msg.Line, "--join") {
		t.Fatal(r, err)
	}
	for _, ttl := range []int64{-1, 8 * 24 * 3600, 1 << 62} {
		_, err = c.JoinToken(t.Context(), connect.NewRequest(&controlpb.JoinTokenRequest{TtlSeconds: ttl}))
		wantCode(t, err, connect.CodeInvalidArgument, "1s to 168h")
	}
	if who := fc.Tokens(); len(who) != 1 || who[0] != "admin" { // I39
		t.Errorf("tokens were asked for by %q", who)
	}
}
