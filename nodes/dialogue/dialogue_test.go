package dialogue

import (
	"testing"

	"github.com/bayplan/bayplan/nodes"
)

func TestPatience_SpacesOutACureThatDoesNotHelp(t *testing.T) {
	var p patience
	var at []int
	for k := range 40 {
		if p.due() {
			at = append(at, k)
		}
	}
	want := []int{0, 1, 3, 6, 11, 20, 37}
	if len(at) != len(want) {
		t.Fatalf("due at %v, want %v", at, want)
	}
	for k := range want {
		if at[k] != want[k] {
			t.Fatalf("due at %v, want %v", at, want)
		}
	}
	p.reset()
	if !p.due() {
		t.Error("not due at once after it helped")
	}
}

// fleet is a roster that trusts whom it is told to.
type fleet struct {
	Roster
	trusted bool
}

func (f *fleet) Report(string, nodes.Report) {}
func (f *fleet) Trusted(string) bool         { return f.trusted }

// Nothing is sent before the agent has said what it holds; where that is nothing, its
// machine may be another than the one that held the name, and a decision comes first
// that knows so (I5).
func TestDelivers_WhatIsKnownToTheAgent(t *testing.T) {
	v := nodes.Version{Epoch: 1, Serial: 3}
	f := &fleet{}
	for name, holds := range map[string]nodes.Version{"one that lives by an order": {Epoch: 1, Serial: 2}, "one that holds nothing": {}} {
		f.trusted = false
		s := NewServer("n1", f, true)
		if s.Delivers(v, false) {
			t.Errorf("%s: sent before it said anything", name)
		}
		if !s.Report(nodes.Report{Seen: holds}) {
			t.Errorf("%s: its report was not the first", name)
		}
		anew := holds == nodes.Version{}
		if s.Delivers(v, false) == anew {
			t.Errorf("%s: sent %v before a decision", name, anew)
		}
		f.trusted = true
		if s.Delivers(v, false) != anew || s.Delivers(v, false) {
			t.Errorf("%s: not sent once and no more", name)
		}
		if s.Report(nodes.Report{Seen: v}) || !s.Delivers(v, true) {
			t.Errorf("%s: not sent again", name)
		}
	}
}
