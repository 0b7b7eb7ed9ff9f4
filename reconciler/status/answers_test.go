package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestExplain_ManyNodes: of 5,000 nodes each cause has a few lines, the nearest
// misses first, and the document has them all, by name.
func TestExplain_ManyNodes(t *testing.T) {
	var verdicts []reconciler.Verdict
	for i := range 5000 {
		v := reconciler.Verdict{Node: fmt.Sprintf("n%04d", i), Filter: "cpu", Miss: fmt.Sprint("lacks ", 5000-i), Rank: 4999 - i}
		switch {
		case i%10 == 1:
			v.Filter, v.Rank = "port", v.Rank-5000
		case i%10 == 2:
			v.Fits, v.Filter, v.Miss, v.Rank = true, "", "", v.Rank-10000
			v.Score = scheduler.Score{Fit: 500}
		case i == 7:
			v.Filter, v.Rank = "memory", 5000
		}
		verdicts = append(verdicts, v)
	}
	want := []string{
		"n4992 can take it: score 500 (fit 500, spread 0)", "n4982 can take it: score 500 (fit 500, spread 0)", "n4972 can take it: score 500 (fit 500, spread 0)",
		"n4962 can take it: score 500 (fit 500, spread 0)", "n4952 can take it: score 500 (fit 500, spread 0)", "and 495 more can take it",
		"n4991 cannot take it: port: lacks 9", "n4981 cannot take it: port: lacks 19", "n4971 cannot take it: port: lacks 29",
		"n4961 cannot take it: port: lacks 39", "n4951 cannot take it: port: lacks 49", "and 495 more like it: port",
		"n4999 cannot take it: cpu: lacks 1", "n4998 cannot take it: cpu: lacks 2", "n4997 cannot take it: cpu: lacks 3",
		"n4996 cannot take it: cpu: lacks 4", "n4995 cannot take it: cpu: lacks 5", "and 3994 more like it: cpu", "n0007 cannot take it: memory: lacks 4993",
	}
	if got := answerLines(verdicts); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if all := answersOf(verdicts); len(all) != 5000 || all[0].Node != "n0000" || all[4999].Miss != "lacks 1" || all[2].Score != 500 || all[2].Parts != "500 (fit 500, spread 0)" {
		t.Errorf("%d answers, the first %+v", len(all), all[0])
	}
}

// TestExplain_LinesAreBounded: however many causes there are, and one node more
// than is told has its own line.
func TestExplain_LinesAreBounded(t *testing.T) {
	for causes := range 17 {
		for each := range 9 {
			var verdicts []reconciler.Verdict
			for i := range (causes + 1) * (each + 1) {
				verdicts = append(verdicts, reconciler.Verdict{Node: fmt.Sprint("n", i), Filter: fmt.Sprint("f", i%(causes+1)), Rank: i})
			}
			lines, told := answerLines(verdicts), 0
			for _, line := range lines {
				more := 0
				if _, err := fmt.Sscanf(line, "and %d more", &more); err != nil {
					more = 1
				} else if more < 2 {
					t.Errorf("%d causes of %d: %q", causes+1, each+1, line)
				}
				told += more
			}
			if len(lines) > 34 || told != len(verdicts) {
				t.Errorf("%d causes of %d: %d lines tell of %d nodes", causes+1, each+1, len(lines), told)
			}
		}
	}
}

// TestExplain_NearestFirst: a real pass ranks the nodes, and keeps their names in
// order.
func TestExplain_NearestFirst(t *testing.T) {
	w := &schema.Workload{Name: "shop/web", Kind: schema.Service, Pool: "default", Replicas: 1, Resources: schema.Resources{CPU: 3000, Memory: 1 << 30}}
	in := reconciler.Input{Facts: reconciler.Facts{Rollouts: []reconciler.Rollout{{Workload: w.Name, Want: w, Target: "d"}}}}
	for i, cpu := range []schema.CPU{1000, 4000, 2000, 4000, 8000} {
		n := nodes.Node{Name: fmt.Sprint("n", i), Allocatable: nodes.Capacity{CPU: cpu, Memory: 4 << 30}, Attributes: map[string]string{}}
		if i == 1 {
			n.Allocatable.Memory = 1 << 20
		}
		in.Facts.Nodes = append(in.Facts.Nodes, reconciler.NodeFact{Name: n.Name, Node: n})
		in.Observed.Nodes = append(in.Observed.Nodes, nodes.Seen{Report: nodes.Report{Node: n}})
	}
	verdicts := reconciler.Places(in, schema.Slot{Workload: w.Name})
	got := ""
	for _, v := range verdicts {
		got += fmt.Sprintf("%s %d %s; ", v.Node, v.Rank, v.Filter)
	}
	if want := "n0 4 cpu; n1 2 memory; n2 3 cpu; n3 0 ; n4 1 ; "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
