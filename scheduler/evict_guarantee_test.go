package scheduler_test

import (
	"testing"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestEvict_GuaranteeOfParts: what is guaranteed to a pool is so to its parts, against
// others; nobody falls below its own of what is scarce, but may where it is short of
// something else anyway; and who is guaranteed one resource takes no other.
func TestEvict_GuaranteeOfParts(t *testing.T) {
	for _, c := range []struct {
		name        string
		sure, other *schema.Quantity // of the pool of the part that asks, and of the victim's
		asks        schema.Resources
		want        string
	}{
		{"of an inner pool", &schema.Quantity{CPU: 1000}, nil, schema.Resources{CPU: 1000}, "pool other is above its guarantee, pool sure below its own"},
		{"beyond it", &schema.Quantity{CPU: 1000}, nil, schema.Resources{CPU: 1001}, ""},
		{"of another resource than is scarce", &schema.Quantity{Memory: 1 << 30}, nil, schema.Resources{CPU: 1000, Memory: 1 << 20}, ""},
		{"the victim's is short of another resource", &schema.Quantity{CPU: 1000}, &schema.Quantity{CPU: 500, Memory: 1 << 30}, schema.Resources{CPU: 1000},
			"pool other is above its guarantee, pool sure below its own"},
		{"the victim's would be short of what is scarce", &schema.Quantity{CPU: 1000}, &schema.Quantity{CPU: 1500}, schema.Resources{CPU: 1000}, ""},
		{"the victim's is short of what is scarce", &schema.Quantity{CPU: 1000}, &schema.Quantity{CPU: 2500}, schema.Resources{CPU: 1000}, ""},
		{"the victim's would be short of another resource", &schema.Quantity{CPU: 1000}, &schema.Quantity{Memory: 200 << 20}, schema.Resources{CPU: 1000}, ""},
	} {
		tree := scheduler.Tree{{Name: "default", Weight: 1}, {Name: "other", Parent: "default", Weight: 1, Guarantee: c.other}, {Name: "part", Parent: "sure", Weight: 1},
			{Name: "sure", Parent: "default", Weight: 1, Guarantee: c.sure}}
		memory := func(w *schema.Workload) { w.Resources.Memory = 100 << 20 }
		on := [][]scheduler.Held{{held("a/one", 1000, inPool("other"), memory), held("a/two", 1000, inPool("other"), memory)}}
		ask := request(held("b/new", 0, inPool("part")).Workload, 0)
		ask.Workload.Resources = c.asks
		want := ""
		if c.want != "" {
			want = "b/new.0 on n0, a/two.0 (" + c.want + ")"
		}
		if got := evict(tree, map[string]int{}, on, ask); got != want {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
}

// TestEvict_RevocableTakesFromNobody: revocable work goes before none that is
// revocable too, whatever pool that is in, nor does a guarantee let it.
func TestEvict_RevocableTakesFromNobody(t *testing.T) {
	tree := scheduler.Tree{{Name: "default", Weight: 1}, {Name: "other", Parent: "default", Weight: 1},
		{Name: "sure", Parent: "default", Weight: 1, Guarantee: &schema.Quantity{CPU: 1000}}}
	ask := request(held("b/new", 1000, inPool("sure"), revocable, priority(1)).Workload, 0)
	for _, on := range []scheduler.Held{
		held("a/one", 1500, inPool("other"), revocable), held("a/one", 1500, inPool("other")),
		held("a/one", 1500, inPool("sure"), revocable, priority(1)),
	} {
		if got := evict(tree, map[string]int{}, [][]scheduler.Held{{on}}, ask); got != "" {
			t.Error(got)
		}
	}
}

// TestEvict_TheSmallest: of victims that cost the same otherwise the smallest goes.
func TestEvict_TheSmallest(t *testing.T) {
	ask := request(held("b/new", 1000, priority(1)).Workload, 0)
	on := [][]scheduler.Held{{held("a/big", 900), held("a/small", 500)}}
	if got, want := evict(nil, map[string]int{}, on, ask), "b/new.0 on n0, a/small.0 (priority 0 is below 1)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestEvict_AtTheLimit: a higher priority has a lower one end also where it is the
// limit of their pool that keeps it out, and only for that; nobody goes who could not
// help.
func TestEvict_AtTheLimit(t *testing.T) {
	tree := scheduler.Tree{{Name: "default", Weight: 1}, {Name: "other", Parent: "default", Weight: 1},
		{Name: "tight", Parent: "default", Weight: 1, Limit: &schema.Quantity{CPU: 700}}}
	ask := request(held("b/new", 600, inPool("tight"), priority(1)).Workload, 0)
	lent := held("a/lent", 500, inPool("other"), revocable)
	on := [][]scheduler.Held{{lent, held("a/low", 500, inPool("tight"))}}
	if got, want := evict(tree, map[string]int{}, on, ask), "b/new.0 on n0, a/low.0 (priority 0 is below 1; pool tight is limited to 700m cpu)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	on[0][1].Workload.Priority = 1
	if got := evict(tree, map[string]int{}, on, ask); got != "" {
		t.Errorf("who could not help goes: %s", got)
	}
}
