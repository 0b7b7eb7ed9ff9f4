package agent_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/testenv/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is an engine with a node's folder; agents come and go on it. All of
// it lives in one synctest bubble.
type machine struct {
	*fake.Engine
	t   *testing.T
	cfg agent.Config
	// agent is the one that runs now.
	agent  *agent.Agent
	cancel context.CancelFunc
	ended  chan error
	serial int64
}

// onMachine plays in a bubble; the agent that still runs at its end is ended.
func onMachine(t *testing.T, play func(m *machine)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		e := fake.New()
		e.Image("web:a")
		m := &machine{Engine: e, t: t, cfg: agent.Config{
			Runtime: e.Runtime("test", "n1"), Dir: dir, Node: "n1", Address: "10.0.0.1",
			Dial: e.Dial, Log: slog.New(slog.DiscardHandler), Version: "v1",
		}}
		m.start()
		defer m.stop()
		play(m)
	})
}

// idle is a server that never says anything.
type idle struct{}

func (idle) Run(ctx context.Context, _ agent.Node) error {
	<-ctx.Done()
	return ctx.Err()
}

func (m *machine) start() {
	m.t.Helper()
	a, err := agent.New(m.cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	m.agent, m.cancel, m.ended = a, cancel, make(chan error, 1)
	go func() { m.ended <- a.Run(ctx, idle{}) }()
	synctest.Wait()
}

func (m *machine) stop() {
	m.t.Helper()
	m.cancel()
	if err := <-m.ended; err != nil {
		m.t.Errorf("Run: %v", err)
	}
}

func (m *machine) assign(lines ...string) {
	m.t.Helper()
	if err := m.agent.Assign(m.assignment(lines...)); err != nil {
		m.t.Fatal(err)
	}
	synctest.Wait()
}

func (m *machine) assignment(lines ...string) nodes.Assignment {
	m.serial++
	as := nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 1, Serial: m.serial}}
	for _, l := range lines {
		as.Orders = append(as.Orders, parseOrder(m.t, l))
	}
	slices.SortFunc(as.Orders, func(a, b nodes.Order) int { return strings.Compare(a.ID, b.ID) })
	return as
}

// pass lets time pass and everything settle.
func (m *machine) pass(d time.Duration) {
	time.Sleep(d) // in the bubble: only the clock moves
	synctest.Wait()
}

func (m *machine) instance(id string) nodes.Instance {
	m.t.Helper()
	r := m.agent.Report()
	i := r.Instance(id)
	if i == nil {
		m.t.Fatalf("%s is not in the report: %+v", id, r.Instances)
	}
	return *i
}

func (m *machine) wantPhase(id string, want nodes.Phase) nodes.Instance {
	m.t.Helper()
	i := m.instance(id)
	if i.Phase != want {
		m.t.Fatalf("%s is %s, want %s (%+v)", id, i.Phase, want, i.Failure)
	}
	return i
}

func (m *machine) wantFailure(id string, want nodes.FailureCode) nodes.Failure {
	m.t.Helper()
	i := m.instance(id)
	if i.Failure == nil || i.Failure.Code != want {
		m.t.Fatalf("%s: failure is %+v, want %s", id, i.Failure, want)
	}
	return *i.Failure
}

func (m *machine) wantGone(id string) {
	m.t.Helper()
	r := m.agent.Report()
	if i := r.Instance(id); i != nil || !r.Inventory {
		m.t.Fatalf("%s is still there: %+v, inventory %v", id, i, r.Inventory)
	}
	if s, ok := m.Container(id); ok {
		m.t.Fatalf("%s is still on the engine: %+v", id, s)
	}
}
