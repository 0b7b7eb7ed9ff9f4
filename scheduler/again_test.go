package scheduler_test

import (
	"slices"
	"testing"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestPlace_GivesPortsAgain: a slot has the ports that it had, but for those that
// somebody else has by now.
func TestPlace_GivesPortsAgain(t *testing.T) {
	w := work("a/db")
	w.Ports = map[string]schema.Port{"sql": {Container: 5432}, "web": {Container: 80}, "fix": {Container: 81, Host: 20003}}
	for _, c := range []struct {
		name       string
		held, busy []int
		had        map[string]int
		keeps      bool
	}{
		{"both free", nil, nil, map[string]int{"sql": 20007, "web": 20001}, true},
		{"one held", []int{20007}, nil, map[string]int{"sql": 20007, "web": 20001}, false},
		{"one busy", nil, []int{20001}, map[string]int{"sql": 20007, "web": 20001}, false},
		{"one fixed now", nil, nil, map[string]int{"sql": 20003, "web": 20001}, false},
		{"one twice", nil, nil, map[string]int{"sql": 20001, "web": 20001}, false},
	} {
		n, r := node("n1"), request(w, 0)
		n.Ports, n.Node.BusyPorts, r.Ports = c.held, c.busy, c.had
		placed, _ := scheduler.Place(scheduler.Pool{Nodes: []scheduler.Node{n}}, []scheduler.Request{r})
		if len(placed) != 1 {
			t.Fatalf("%s: not placed", c.name)
		}
		got, seen := placed[0].ByName(w), map[int]bool{}
		for name, p := range got {
			if seen[p] || slices.Contains(c.held, p) || slices.Contains(c.busy, p) {
				t.Errorf("%s: port %s is %d", c.name, name, p)
			}
			seen[p] = true
		}
		if keeps := got["sql"] == c.had["sql"] && got["web"] == c.had["web"]; keeps != c.keeps {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

// TestPlace_Together: what is together has places or has none, and what its
// workload asks for beside is no part of that.
func TestPlace_Together(t *testing.T) {
	w := work("a/db")
	var requests []scheduler.Request
	for i := range 5 {
		r := request(w, i)
		r.Together = i > 0
		requests = append(requests, r)
	}
	placed, unplaced := scheduler.Place(scheduler.Pool{Nodes: []scheduler.Node{node("n1")}}, requests)
	if len(placed) != 1 || placed[0].Slot.Index != 0 || len(unplaced) != 4 {
		t.Errorf("placed %v of 5 where 4 fit, and 4 are together", placed)
	}
	placed, unplaced = scheduler.Place(scheduler.Pool{Nodes: []scheduler.Node{node("n1"), node("n2")}}, requests)
	if len(placed) != 5 || len(unplaced) != 0 {
		t.Errorf("placed %v of 5 where 8 fit", placed)
	}
}

// TestFeasible_StaysWhereItCounts: the rules that count slots are for who comes.
func TestFeasible_StaysWhereItCounts(t *testing.T) {
	n, r := node("n1"), request(work("a/db"), 0)
	n.Slots = map[string]int{"a/db": 1}
	r.Workload.MaxPer = map[string]int{"node": 1}
	if ok, filter, _ := feasible(&n, &r); ok || filter != "most" {
		t.Errorf("%v, %s; want most", ok, filter)
	}
	r.Stays = true
	if ok, filter, _ := feasible(&n, &r); !ok {
		t.Errorf("refused by %s", filter)
	}
}
