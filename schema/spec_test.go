package schema

import (
	"strings"
	"testing"
)

func TestRevision_Trailer(t *testing.T) {
	r := Revision{Commit: "0123456789abcdef", Body: "Some words: here\n\nbayplan-allow-removal: 3\nBayplan-Allow-Removal:  5 \n"}
	if got := r.Trailer("Bayplan-Allow-Removal"); got != "5" {
		t.Errorf("got %q, want the last one", got)
	}
	if got := r.Trailer("Other"); got != "" {
		t.Errorf("got %q", got)
	}
	if r.Short() != "0123456789" || (Revision{}).Short() != "" {
		t.Error("Short")
	}
}

func TestSpec_Workload(t *testing.T) {
	s := Spec{Workloads: []Workload{{Name: "a/b"}, {Name: "a/c"}, {Name: "b/a"}}}
	for _, name := range []string{"a/b", "a/c", "b/a"} {
		if w := s.Workload(name); w == nil || w.Name != name {
			t.Errorf("%s: got %v", name, w)
		}
	}
	if s.Workload("a/bb") != nil || (&Spec{}).Workload("a/b") != nil {
		t.Error("found what is not there")
	}
	if w := s.Workload("a/b"); w.Team() != "a" {
		t.Errorf("team %q", w.Team())
	}
}

func TestParseSlot(t *testing.T) {
	for text, want := range map[string]Slot{"a/b.0": {"a/b", 0}, "x/a/b.12": {"x/a/b", 12}} {
		if got, ok := ParseSlot(text); !ok || got != want || got.String() != text {
			t.Errorf("%q: got %v", text, got)
		}
	}
	for _, text := range []string{"", ".", "a/b", "a/b.", "a/b.-1", "a/b.01", "a/b.x", ".1"} {
		if got, ok := ParseSlot(text); ok {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestSlot_HostIsALabel(t *testing.T) {
	for want, s := range map[string]Slot{
		"etcd-0":                        {"infra/etcd", 0},
		"x-12":                          {"a/b/x", 12},
		strings.Repeat("n", 60) + "-10": {"a/" + strings.Repeat("n", 63), 10},
		strings.Repeat("n", 60) + "-7":  {"a/" + strings.Repeat("n", 60) + "-x", 7},
	} {
		if got := s.Host(); got != want || !ValidName(got) {
			t.Errorf("%s is %q, want %q", s, got, want)
		}
	}
}
