package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
	"github.com/bayplan/bayplan/schema"
)

// fleetOf is an Assignment of so many slots of one workload, whose text has
// some size bytes.
func fleetOf(slots, size int) nodes.Assignment {
	w := &schema.Workload{Name: "shop/web", Kind: schema.Service, Image: "r/web:1", Env: map[string]string{"BULK": strings.Repeat("x", size)}}
	a := nodes.Assignment{Node: "n1", Version: nodes.Version{Epoch: 1, Serial: 1}}
	for k := range slots {
		a.Orders = append(a.Orders, nodes.Order{ID: fmt.Sprintf("shop/web.%06d@abc", k), Slot: schema.Slot{Workload: "shop/web", Index: k}, Digest: "abc", Workload: w})
	}
	return a
}

// What arrives means the same, however the texts were shared at the start.
func TestShare_MeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := fleetOf(rapid.IntRange(0, 6).Draw(t, "slots"), 1)
		for k := range a.Orders {
			switch rapid.IntRange(0, 3).Draw(t, "text") {
			case 1: // the same text, in another place
				w := *a.Orders[k].Workload
				a.Orders[k].Workload = &w
			case 2:
				w := *a.Orders[k].Workload
				w.Image = rapid.SampledFrom([]string{"r/web:2", "r/web:\xff"}).Draw(t, "image")
				a.Orders[k].Workload = &w
			case 3:
				a.Orders[k].Workload, a.Orders[k].Stop = nil, true
			}
		}
		before := a.Sum()
		m, err := share(&a, MaxMessage)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Workloads) > 3 {
			t.Fatalf("%d workloads are sent for 3 texts", len(m.Workloads))
		}
		back, err := decodeShared(m, "n1")
		if err != nil {
			t.Fatal(err)
		}
		if back.Sum() != before || a.Sum() != before {
			t.Fatalf("it means something else: %s", cmp.Diff(a, back))
		}
	})
}

// I37: what the agent does not know, or cannot make sense of, is refused whole.
func TestDecodeShared_IsStrict(t *testing.T) {
	a := fleetOf(2, 1)
	for name, edit := range map[string]func(m *wirepb.SharedAssignment){
		"unknown field":         func(m *wirepb.SharedAssignment) { m.Workloads[0] = []byte(`{"name":"shop/web","gpu":1}`) },
		`unknown field "later"`: func(m *wirepb.SharedAssignment) { m.Assignment = []byte(`{"node":"n1","later":1}`) },
		"use 1 workloads":       func(m *wirepb.SharedAssignment) { m.Uses = m.Uses[:1] },
		"no one workload":       func(m *wirepb.SharedAssignment) { m.Uses[1] = 2 },
		"has no workload":       func(m *wirepb.SharedAssignment) { m.Uses[1] = 0 },
		`is for node "n2"`:      func(m *wirepb.SharedAssignment) { m.Assignment, m.Uses = []byte(`{"node":"n2"}`), nil },
		"more than one":         func(m *wirepb.SharedAssignment) { m.Workloads[0] = append(m.Workloads[0], "{}"...) },
	} {
		m, err := share(&a, MaxMessage)
		if err != nil {
			t.Fatal(err)
		}
		edit(m)
		_, err = decodeShared(m, "n1")
		wantErr(t, err, name)
	}
}

// I37: an agent or a server that knows no SharedAssignment gets the whole text.
func TestSession_SharesTextsOnlyWhereBothKnowHow(t *testing.T) {
	for _, x := range []struct{ oldAgent, oldServer bool }{{}, {oldAgent: true}, {oldServer: true}} {
		t.Run(fmt.Sprintf("old agent %v, old server %v", x.oldAgent, x.oldServer), func(t *testing.T) {
			c := newCluster(t, func(c *ServerConfig) { c.plain, c.MaxMessage = x.oldServer, 1<<20 })
			m := newMachine("n1")
			c.run(c.client(c.join("n1"), func(c *ClientConfig) { c.plain = x.oldAgent }), m)
			c.see("it reports", func(s *nodes.Snapshot) bool { return s.Node("n1") != nil })
			small := fleetOf(3, 10)
			c.roster.Assign(small)
			if got := m.next(t); got.Sum() != small.Sum() {
				t.Error(cmp.Diff(small, got))
			}
			large := fleetOf(200, 10_000) // 2 MB written out
			large.Version.Serial = 2
			c.roster.Assign(large)
			if x.oldAgent || x.oldServer {
				c.see("it is refused", func(s *nodes.Snapshot) bool {
					return strings.Contains(s.Node("n1").Refusal, "over the limit of 1048576")
				})
				return
			}
			got := m.next(t)
			if got.Sum() != large.Sum() {
				t.Error("it means something else")
			}
			if got.Orders[0].Workload != got.Orders[199].Workload {
				t.Error("a text is kept more than once")
			}
			over := fleetOf(500, 10_000) // 5 MB written out
			over.Version.Serial = 3
			c.roster.Assign(over)
			c.see("it is refused", func(s *nodes.Snapshot) bool {
				return strings.Contains(s.Node("n1").Refusal, "over the limit of 4194304")
			})
		})
	}
}

// The work of writing and reading an Assignment, and what travels.
func BenchmarkShare(b *testing.B) {
	a := fleetOf(100, 1000)
	b.Run("shared", func(b *testing.B) {
		for b.Loop() {
			m, err := share(&a, MaxMessage)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := decodeShared(m, "n1"); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(proto.Size(m)), "bytes")
		}
	})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			text, err := json.Marshal(&a)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := decodeAssignment(text, "n1"); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(text)), "bytes")
		}
	})
}
