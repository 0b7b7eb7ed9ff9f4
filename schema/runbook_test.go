package schema

import (
	"fmt"
	"testing"
)

// Each slot has one turn, whatever the phases name.
func TestUpdate_TurnsOfEverySlot(t *testing.T) {
	for _, c := range []struct {
		phases []Phase
		slots  int
		want   string
	}{
		{nil, 3, "[[2 1 0]]"},
		{nil, 0, "[[]]"},
		{[]Phase{{Name: "rest"}, {Name: "primary", Slots: []int{0}}}, 3, "[[2 1] [0]]"},
		{[]Phase{{Name: "some", Slots: []int{1, 2}}, {Name: "rest"}}, 4, "[[1 2] [3 0]]"},
		{[]Phase{{Name: "far", Slots: []int{5}}, {Name: "rest"}}, 2, "[[] [1 0]]"}, // scaled down since
	} {
		u := Update{Strategy: Ordered, Runbook: &Runbook{Phases: c.phases}}
		got := [][]int{}
		for _, p := range u.Turns(c.slots) {
			if p.Parallel < 1 {
				t.Errorf("%v: nobody has a turn", c.phases)
			}
			got = append(got, p.Slots)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%v of %d slots: %v, want %s", c.phases, c.slots, got, c.want)
		}
	}
}

// A try follows another by the retries; where nobody knows how the last one
// ended, a check may always be asked again and an action only by its retries.
func TestStep_Again(t *testing.T) {
	for _, c := range []struct {
		kind           StepKind
		retries, tries int
		unknown, want  bool
	}{
		{Check, 0, 1, false, false}, {Check, 0, 1, true, true}, {Check, 2, 2, false, true}, {Check, 2, 3, false, false},
		{Action, 0, 1, false, false}, {Action, 0, 1, true, false}, {Action, 1, 1, true, true}, {Action, 1, 2, true, false},
	} {
		s := Step{Kind: c.kind, Retries: c.retries}
		if got := s.Again(c.tries, c.unknown); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// What is pinned is pinned in a copy.
func TestWorkload_WithOneShotsCopies(t *testing.T) {
	step := func(image string) []Step { return []Step{{Run: &OneShot{Image: image}}, {Exec: &ExecCheck{}}} }
	w := Workload{Update: Update{Runbook: &Runbook{First: step("a"), Before: step("b"), After: step("c"), Last: step("d"),
		Phases: []Phase{{Before: step("e"), After: step("f")}}}}}
	pinned := w.WithOneShots(func(o *OneShot) string { return o.Image + "@1" })
	if n := len(pinned.OneShots()); n != 6 {
		t.Fatalf("%d one-shots", n)
	}
	for i, o := range pinned.OneShots() {
		if was := w.OneShots()[i]; o.Pinned != o.Image+"@1" || was.Pinned != "" {
			t.Errorf("%+v of %+v", o, was)
		}
	}
}
