package agent_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/fake"
)

func TestAgent_HangingPullHoldsNobodyUp(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Fault("pull", func(ctx context.Context, image string) error {
			if strings.HasPrefix(image, "hangs") {
				return fake.Hang(ctx, image)
			}
			return nil
		})
		var lines []string
		for _, slot := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
			lines = append(lines, "t/a."+slot+"@a image=hangs:"+slot)
		}
		m.assign(append(lines, "t/web.0@a")...)
		m.pass(31 * time.Second)
		m.wantPhase("t/web.0@a", nodes.Running)
		m.wantPhase("t/a.9@a", nodes.Pulling)
		m.pass(15 * time.Minute)
		m.wantFailure("t/a.9@a", nodes.PullFailed)
	})
}

func TestAgent_HangingStartHoldsNobodyUp(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Fault("start", func(ctx context.Context, id string) error {
			if strings.HasPrefix(id, "t/hangs") {
				return fake.Hang(ctx, id)
			}
			return nil
		})
		var lines []string
		for _, slot := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
			lines = append(lines, "t/hangs."+slot+"@a", "t/web."+slot+"@a")
		}
		m.assign(lines...)
		m.pass(10 * time.Minute)
		m.wantPhase("t/web.9@a", nodes.Running)
		f := m.wantFailure("t/hangs.0@a", nodes.EngineDown)
		if !strings.Contains(f.Text, "within 1m0s") {
			t.Errorf("text %q", f.Text)
		}
		// An order to stop overtakes it.
		m.Fault("start", fake.Hang)
		m.pass(time.Minute)
		m.assign("t/hangs.0@a stop")
		m.pass(time.Second)
		m.wantGone("t/hangs.0@a")
	})
}

func TestAgent_EngineDownAndBack(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.assign("t/web.0@a", "t/web.1@a")
		m.Down()
		m.pass(time.Second)
		r := m.agent.Report()
		if r.Inventory || !strings.Contains(r.Node.Trouble, "engine") {
			t.Fatalf("report: %+v", r)
		}
		m.wantPhase("t/web.0@a", nodes.Running)
		m.assign("t/web.0@a stop", "t/web.1@a", "t/web.2@a")
		m.Kill("t/web.1@a", 9)
		m.pass(time.Hour)
		m.wantPhase("t/web.0@a", nodes.Running)
		m.Up()
		m.pass(6 * time.Second)
		m.wantGone("t/web.0@a")
		m.wantPhase("t/web.2@a", nodes.Running)
		if i := m.wantPhase("t/web.1@a", nodes.Running); i.Restarts != 1 {
			t.Errorf("ended while nobody saw: %+v", i)
		}
		if r := m.agent.Report(); r.Node.Trouble != "" {
			t.Errorf("trouble %q stays", r.Node.Trouble)
		}
	})
}

func TestAgent_StartsWhileTheEngineIsDown(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.assign("t/web.0@a")
		size := m.agent.Report().Node.Allocatable
		m.stop()
		m.Down()
		m.start()
		m.pass(time.Minute)
		r := m.agent.Report()
		if r.Inventory || r.Node.Allocatable != size || r.Node.Runtime != "fake 1.0" {
			t.Fatalf("report: %+v", r)
		}
		m.Up()
		m.pass(6 * time.Second)
		if i := m.wantPhase("t/web.0@a", nodes.Running); i.Restarts != 0 || m.Calls("start") != 1 {
			t.Errorf("%+v", i)
		}
	})
}

func TestAgent_EngineHangs(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.assign("t/web.0@a")
		m.Fault("list", fake.Hang)
		m.pass(time.Minute)
		if r := m.agent.Report(); r.Inventory || !strings.Contains(r.Node.Trouble, "no list within 10s") {
			t.Fatalf("report: %+v", r)
		}
		m.Fault("list", nil)
		m.pass(20 * time.Second)
		if r := m.agent.Report(); !r.Inventory {
			t.Fatalf("report: %+v", r)
		}
	})
}

// An engine that takes its time over a list does not make the agent blind to
// what ends between two of them.
func TestAgent_SlowListsHideNoEnd(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:brief", fake.Program{Runs: 600 * time.Millisecond, Code: 3})
		m.Fault("list", func(ctx context.Context, _ string) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(400 * time.Millisecond):
				return nil
			}
		})
		m.assign("t/web.0@brief")
		m.pass(2500 * time.Millisecond)
		m.wantFailure("t/web.0@brief", nodes.Exited)
	})
}

func TestAgent_PanickingRuntimeHarmsNobodyElse(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Fault("start", func(_ context.Context, id string) error {
			if id == "t/bad.0@a" {
				panic("no such luck")
			}
			return nil
		})
		m.assign("t/bad.0@a", "t/web.0@a")
		m.wantPhase("t/web.0@a", nodes.Running)
		m.wantFailure("t/bad.0@a", nodes.StartFailed)
	})
}

func TestAgent_PortInUseIsTold(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Occupy(20007)
		m.assign("t/web.0@a ports=http:20007")
		if f := m.wantFailure("t/web.0@a", nodes.PortInUse); f.Port != 20007 {
			t.Errorf("failure: %+v", f)
		}
		if busy := m.agent.Report().Node.BusyPorts; !slices.Equal(busy, []int{20007}) {
			t.Errorf("busy ports %v", busy)
		}
		m.assign("t/web.0@a ports=http:20008")
		m.pass(time.Second)
		if i := m.wantPhase("t/web.0@a", nodes.Running); i.Ports["http"] != 20008 {
			t.Errorf("ports %v", i.Ports)
		}
		m.pass(10 * time.Minute)
		if busy := m.agent.Report().Node.BusyPorts; len(busy) != 0 {
			t.Errorf("busy ports %v are believed for ever", busy)
		}
	})
}

func TestAgent_OOMIsTold(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:fat", fake.Program{Runs: time.Second, OOM: true})
		m.assign("t/web.0@fat")
		m.pass(1500 * time.Millisecond)
		m.wantFailure("t/web.0@fat", nodes.OOMKilled)
	})
}

func TestAgent_HealthByEveryMeans(t *testing.T) {
	onMachine(t, func(m *machine) {
		as := m.assignment("t/exec.0@a ports=http:20001", "t/http.0@a ports=http:20002", "t/no.0@a ports=http:20003", "t/tcp.0@a ports=http:20004")
		common := schema.Health{Interval: schema.Duration(5 * time.Second), Timeout: schema.Duration(time.Second), Retries: 2}
		for i, check := range []schema.Health{
			{Exec: &schema.ExecCheck{Command: []string{"true"}}},
			{HTTP: &schema.HTTPCheck{Path: "/up?full", Port: "http"}},
			{Exec: &schema.ExecCheck{Command: []string{"false"}}},
			{TCP: &schema.TCPCheck{Port: "http"}},
		} {
			check.Interval, check.Timeout, check.Retries = common.Interval, common.Timeout, common.Retries
			as.Orders[i].Workload.Health = &check
		}
		if err := m.agent.Assign(as); err != nil {
			t.Fatal(err)
		}
		m.pass(time.Second)
		for _, id := range []string{"t/exec.0@a", "t/http.0@a", "t/tcp.0@a"} {
			if i := m.wantPhase(id, nodes.Running); i.Health != nodes.Healthy {
				t.Errorf("%s is %s: %+v", id, i.Health, i.Failure)
			}
		}
		m.pass(20 * time.Second)
		if i := m.instance("t/no.0@a"); i.Health != nodes.Unhealthy || !strings.Contains(i.Failure.Text, "false exited with code 1") {
			t.Errorf("%+v %+v", i, i.Failure)
		}
	})
}

func TestAgent_HealthTellsWhatItMet(t *testing.T) {
	onMachine(t, func(m *machine) {
		m.Image("web:sick", fake.Program{Serve: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no database\nat all", http.StatusServiceUnavailable)
		})})
		m.Image("web:hangs", fake.Program{Serve: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })})
		m.Image("web:moved", fake.Program{Serve: http.RedirectHandler("http://elsewhere/", http.StatusFound)})
		m.Image("web:late", fake.Program{Boots: time.Hour})
		const check = " health=http interval=2s retries=2"
		m.assign("t/hangs.0@hangs ports=http:20001"+check, "t/late.0@late ports=http:20002"+check,
			"t/moved.0@moved ports=http:20003"+check, "t/sick.0@sick ports=http:20004"+check)
		m.pass(20 * time.Second)
		for id, want := range map[string]string{
			"t/hangs.0@hangs": "GET /up: no answer in time",
			"t/late.0@late":   "connection refused",
			"t/sick.0@sick":   "GET /up answered 503: no database",
		} {
			f := m.wantFailure(id, nodes.HealthFailing)
			if !strings.Contains(f.Text, want) || strings.Contains(f.Text, "at all") || m.instance(id).Health != nodes.Unhealthy {
				t.Errorf("%s: %q, want %q", id, f.Text, want)
			}
		}
		if i := m.instance("t/moved.0@moved"); i.Health != nodes.Healthy {
			t.Errorf("a redirect is an answer: %+v", i.Failure)
		}
	})
}

func TestAgent_Metrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	onMachine(t, func(m *machine) {
		m.stop()
		m.cfg.Metrics = reg
		m.start()
		m.Image("web:bad", fake.Program{Runs: time.Millisecond, Code: 1})
		m.assign("t/bad.0@bad", "t/web.0@a")
		m.pass(1500 * time.Millisecond)
	})
	got := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, x := range f.Metric {
			name := f.GetName()
			for _, l := range x.Label {
				name += " " + l.GetValue()
			}
			got[name] = x.GetGauge().GetValue() + x.GetCounter().GetValue() + float64(x.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"bayplan_agent_instances running": 1, "bayplan_agent_instances starting": 1,
		"bayplan_agent_failures_total exited": 2, "bayplan_agent_restarts_total": 1,
		"bayplan_agent_actions_seconds start": 3, "bayplan_agent_assignment_serial": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}
