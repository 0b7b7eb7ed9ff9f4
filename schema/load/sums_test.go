package load_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// What teams ask for together beyond a quota is told where the quota stands, with
// what each asks for, and only where that was asked for; the teams themselves are
// sound. A team that is past it alone has its own error, and counts no more.
func TestLoad_WithSums(t *testing.T) {
	tree := func(replicas ...int) fstest.MapFS {
		files := fstest.MapFS{"cluster.cue": {Data: []byte("cluster: owners: {\n\t\"shop/\": quota: slots: 5\n\t\"/\": quota: workloads: 9\n}\n")}}
		for i, n := range replicas {
			files[fmt.Sprintf("shop/t%d/a.cue", i)] = &fstest.MapFile{Data: []byte(fmt.Sprintf("workloads: web: {kind: \"service\", image: \"x\", replicas: %d}", n))}
		}
		return files
	}
	for _, c := range []struct {
		replicas []int
		want     string
	}{
		{[]int{2, 3}, ""},
		{[]int{2, 4}, "cluster.cue:2:2: cluster.owners.shop/: teams under shop/ ask for 6 slots together, and may have 5 slots: shop/t0 2 slots, shop/t1 4 slots"},
		{[]int{2, 6}, "shop/t1/a.cue:1:"},
		{[]int{2, 6, 4}, "shop/t0 2 slots, shop/t2 4 slots"},
		{[]int{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "teams ask for 10 workloads together, and may have 9 workloads: shop/t0 1 workload, shop/t1 1 workload"},
	} {
		spec, err := load.Load(tree(c.replicas...), schema.Revision{Commit: "c1"}, load.WithSums())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.replicas, err)
		}
		if len(spec.Teams) != len(c.replicas) {
			t.Errorf("%v: %+v", c.replicas, spec.Teams)
		}
	}
	if _, err := load.Load(tree(2, 4), schema.Revision{Commit: "c1"}); err != nil {
		t.Errorf("what only a server can judge is judged: %v", err)
	}
}
