package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestPlace_PriorityOfMany: the higher priority is served first also where no search
// for other places follows.
func TestPlace_PriorityOfMany(t *testing.T) {
	low, high := work("a/low"), work("b/high")
	low.Resources, high.Resources, high.Priority = schema.Resources{CPU: 100}, schema.Resources{CPU: 100}, 1
	var requests []scheduler.Request
	for i := range 40 {
		requests = append(requests, request(low, i), request(high, i))
	}
	placed, _ := scheduler.Place(scheduler.Pool{Nodes: []scheduler.Node{node("n1")}}, requests)
	got := map[string]int{}
	for _, p := range placed {
		got[p.Slot.Workload]++
	}
	if fmt.Sprint(got) != "map[b/high:20]" {
		t.Error(got)
	}
}

// TestPlace_HDRF: an inner pool counts for as much as the least of its parts that
// ask has, however much others of them hold or ask nothing at all (Bhattacharya et
// al., SoCC 2013).
func TestPlace_HDRF(t *testing.T) {
	for _, c := range []struct {
		name string
		use  map[string]scheduler.Use
	}{
		{"a part holds all of the other resource and asks nothing", map[string]scheduler.Use{"n22": {Memory: 10, Slots: 1}}},
		{"a part neither holds nor asks", nil},
	} {
		pool, requests := contest(1, 10, 10, []user{{"n1", "", 1, 1, 0, 99}, {name: "n2"}, {"n21", "n2", 1, 1, 0, 99}, {name: "n22", parent: "n2"}})
		pool.Use, pool.Nodes[0].Reserved.Memory = c.use, c.use["n22"].Memory
		if got := shared(pool, requests); got != "n1:5 n21:5" {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// TestPlace_TiesOfPools: of equal shares who has the fewest slots goes first, then who asks
// for more, then who is listed first; and revocable work after all other.
func TestPlace_TiesOfPools(t *testing.T) {
	two := map[string]scheduler.Use{"a": {CPU: 200, Slots: 2}, "b": {CPU: 200, Slots: 1}}
	for _, c := range []struct {
		name  string
		free  schema.CPU
		use   map[string]scheduler.Use
		users []user
		want  string
	}{
		{"the fewest slots", 200, two, []user{{"a", "", 1, 200, 0, 1}, {"b", "", 1, 100, 0, 1}}, "b:1"},
		{"the larger request", 300, nil, []user{{"a", "", 1, 200, 0, 1}, {"b", "", 1, 300, 0, 1}}, "b:1"},
		{"the order listed", 300, nil, []user{{"b", "", 1, 200, 0, 1}, {"a", "", 1, 200, 0, 1}}, "a:1"},
		{"the share before all of them", 300, two, []user{{"a", "", 2, 100, 0, 9}, {"b", "", 1, 300, 0, 1}}, "a:3"},
		{"revocable work last", 300, map[string]scheduler.Use{"b": {CPU: 600, Slots: 9}}, []user{{"a", "", 1, 300, 0, 1}, {"b", "", 1, 100, 0, 1}}, "b:1"},
	} {
		pool, requests := contest(1, 1000, 1000, c.users)
		pool.Use, pool.Nodes[0].Reserved = c.use, nodes.Capacity{CPU: 1000 - c.free}
		if c.name == "revocable work last" {
			requests[0].Workload.Revocable = true
		}
		if got := shared(pool, requests); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
