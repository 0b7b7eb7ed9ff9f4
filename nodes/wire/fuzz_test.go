package wire

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/roster"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

func seed(f *testing.F, v any) {
	f.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
}

// Whatever a node sends as a report is refused, or the server can live with it:
// hash it, change it, move its times and write it again.
func FuzzDecodeReport(f *testing.F) {
	r := nodes.Report{Node: nodes.Node{Name: "n1", Attributes: map[string]string{"a": "b\xff"}}, Now: time.Unix(1, 0)}
	r.Instances = []nodes.Instance{instance("a", nodes.Running), instance("b", nodes.Stopped)}
	r.Instances[1].Failure = &nodes.Failure{Code: nodes.Exited, At: time.Unix(2, 0)}
	seed(f, r)
	f.Add([]byte(`{"node":{"name":"n1"},"now":"9999-12-31T23:59:59-01:00","instances":[{"id":"a","since":"0000-01-01T00:00:00+01:00"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeReport(b, "n1")
		if err != nil {
			return
		}
		sum := r.Sum()
		fleet := roster.New(time.Now)
		fleet.Report("n1", r)
		if s := fleet.Snapshot(); len(s.Nodes) != 1 || len(s.Nodes[0].Report.Instances) != len(r.Instances) {
			t.Fatalf("the roster made %v of it", s)
		}
		if r.Sum() != sum {
			t.Fatal("the roster changed it")
		}
		empty := nodes.Report{Node: nodes.Node{Name: "n1"}}
		again := empty.Apply(nodes.Diff(empty, r))
		if again.Sum() != sum {
			t.Fatal("as a change it means something else")
		}
	})
}

// Whatever a node sends as a change keeps the report in order.
func FuzzDecodeChange(f *testing.F) {
	seed(f, nodes.Change{Node: &nodes.Node{Name: "n1"}, Instances: []nodes.Instance{instance("b", nodes.Running)}, Gone: []string{"a", "c"}})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeChange(b, "n1")
		if err != nil {
			return
		}
		old := nodes.Report{Node: nodes.Node{Name: "n1"}, Instances: []nodes.Instance{instance("a", nodes.Running), instance("c", nodes.Running)}}
		r := old.Apply(c)
		if err := checkInstances("the result", r.Instances); err != nil {
			t.Fatal(err)
		}
		r.Sum()
	})
}

// Whatever a server sends as an Assignment is refused, or means the same when
// the agent has written and read it.
func FuzzDecodeAssignment(f *testing.F) {
	seed(f, assignment("n1", 1, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAssignment(b, "n1")
		if err != nil {
			return
		}
		for _, o := range a.Orders {
			if o.Workload == nil && !o.Stop {
				t.Fatal("an order to run nothing")
			}
		}
		a.Sum()
	})
}

// The same of one whose texts are shared; read, it can be shared anew.
func FuzzDecodeShared(f *testing.F) {
	a := fleetOf(2, 1)
	m, err := share(&a, MaxMessage)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Assignment, m.Workloads[0], byte(1), byte(1))
	f.Add([]byte(`{"node":"n1","orders":[{"id":"a","stop":true},{"id":"b","stop":true}]}`), []byte("null"), byte(0), byte(2))
	f.Fuzz(func(t *testing.T, text, workload []byte, first, second byte) {
		a, err := decodeShared(&wirepb.SharedAssignment{Assignment: text, Workloads: [][]byte{workload}, Uses: []uint32{uint32(first), uint32(second)}}, "n1")
		if err != nil {
			return
		}
		for _, o := range a.Orders {
			if o.Workload == nil && !o.Stop {
				t.Fatal("an order to run nothing")
			}
		}
		m, err := share(&a, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeShared(m, "n1"); err != nil || back.Sum() != a.Sum() {
			t.Fatalf("it means something else: %v", err)
		}
	})
}

func FuzzParseJoin(f *testing.F) {
	f.Add(JoinLine(JoinInfo{NewToken(), "h:1", "00"}))
	f.Fuzz(func(t *testing.T, line string) {
		j, err := ParseJoin(line)
		if err != nil {
			return
		}
		if back, err := ParseJoin(JoinLine(j)); err != nil || back != j {
			t.Fatalf("%+v reads back as %+v, %v", j, back, err)
		}
	})
}
