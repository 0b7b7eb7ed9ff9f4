package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

func TestContainerOf_TellsTheProgramWhereItIs(t *testing.T) {
	slot := schema.Slot{Workload: "shop/web", Index: 2}
	w := &schema.Workload{
		Name: "shop/web", Env: map[string]string{"HOST_IP": "mine"},
		Ports: map[string]schema.Port{"http": {Container: 8080}, "admin-ui": {Container: 9090}},
	}
	o := &nodes.Order{ID: "shop/web.2@d", Slot: slot, Digest: "d", Workload: w, Ports: map[string]int{"http": 20001, "admin-ui": 20002}, Commit: "c0ffee"}
	want := map[string]string{
		"BAYPLAN_WORKLOAD": "shop/web", "BAYPLAN_SLOT": "shop/web.2", "BAYPLAN_NODE": "n1",
		"PORT_HTTP": "8080", "PORT_ADMIN_UI": "9090", "HOST_PORT_HTTP": "20001", "HOST_PORT_ADMIN_UI": "20002",
	}
	if diff := cmp.Diff(want, containerOf(o, "n1", "10.0.0.1").Env); diff != "" {
		t.Error(diff)
	}
}

func TestAllocatable_ReservesForTheMachine(t *testing.T) {
	engine := nodes.Capacity{CPU: 4000, Memory: 8 << 30}
	for name, c := range map[string]struct {
		granted nodes.Capacity
		reserve *nodes.Capacity
		want    nodes.Capacity
	}{
		"the rule":        {want: nodes.Capacity{CPU: 3800, Memory: 8<<30 - 256<<20}},
		"a small machine": {granted: nodes.Capacity{Memory: 1000 << 20}, want: nodes.Capacity{CPU: 3800, Memory: 900 << 20}},
		"nothing kept":    {reserve: &nodes.Capacity{}, want: engine},
		"more than is":    {reserve: &nodes.Capacity{CPU: 9000}, want: nodes.Capacity{Memory: 8 << 30}},
	} {
		if got := allocatable(c.granted, engine, c.reserve); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestBackoff_IsBounded(t *testing.T) {
	for failures, want := range map[int]int{1: 1, 2: 2, 3: 4, 4: 8, 5: 8, 1 << 30: 8} {
		if got := backoff(1, 8, failures); int(got) != want {
			t.Errorf("after %d failures %d, want %d", failures, got, want)
		}
	}
}
