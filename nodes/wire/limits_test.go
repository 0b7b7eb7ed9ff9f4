package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes"
)

func TestDecode_TooMuchIsRefused(t *testing.T) {
	long := nodes.Report{Node: nodes.Node{Name: "n1"}, Instances: []nodes.Instance{instance(strings.Repeat("x", 600), nodes.Running)}}
	b, err := json.Marshal(long)
	if err != nil {
		t.Fatal(err)
	}
	_, err = decodeReport(b, "n1")
	wantErr(t, err, "report: instance", "ID has 600 bytes, over the limit of 512")
	if b, err = json.Marshal(nodes.Change{Instances: long.Instances}); err != nil {
		t.Fatal(err)
	}
	_, err = decodeChange(b, "n1")
	wantErr(t, err, "change: instance", "ID has 600 bytes")
}

// A node that adds to its report without end is shown out; the others stay.
func TestSession_ChangesAddUpToALimit(t *testing.T) {
	c := newCluster(t)
	other, _ := c.node("n2")
	m, _ := c.node("n1")
	var all []nodes.Instance
	for k := range nodes.MaxInstances {
		all = append(all, instance(fmt.Sprintf("i%05d", k), nodes.Running))
	}
	m.set(all...)
	c.see("as many as may be", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == len(all) })
	m.set(append(all[:len(all):len(all)], instance("j", nodes.Running))...)
	c.log.says(t, 1, "add up to 4097 instances, over the limit of 4096")
	c.log.says(t, 1, "report: 4097 instances, over the limit of 4096") // dialled anew, it says it all at once
	other.set(instance("a", nodes.Running))
	c.see("the other goes on", func(s *nodes.Snapshot) bool { return len(s.Node("n2").Report.Instances) == 1 })
	if s := c.roster.Snapshot(); len(s.Node("n1").Report.Instances) != len(all) {
		t.Error("too much was taken over")
	}
	m.set(all[:3]...)
	c.see("it is heard again", func(s *nodes.Snapshot) bool { return len(s.Node("n1").Report.Instances) == 3 })
}

// An agent that does not cut its own texts is understood all the same.
func TestSession_LongTextIsCut(t *testing.T) {
	c := newCluster(t)
	m, _ := c.node("n1")
	i := instance("a", nodes.Starting)
	i.Failure = &nodes.Failure{Code: nodes.StartFailed, Text: strings.Repeat("x", 1<<20)}
	m.set(i)
	c.see("a failure", func(s *nodes.Snapshot) bool {
		in := s.Node("n1").Report.Instance("a")
		return in != nil && len(in.Failure.Text) == nodes.MaxText
	})
}
