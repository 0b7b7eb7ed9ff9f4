package load

import (
	"testing"
	"testing/fstest"
)

// FuzzReceive reads what no worker of ours would send: whatever it is, there is no
// panic, and what is taken keeps the rules and belongs to the team (I30).
func FuzzReceive(f *testing.F) {
	p := Package{Dir: "shop", Limits: Limits{}.withDefaults()}
	files := fstest.MapFS{"shop/a.cue": cheap(), "bad/a.cue": {Data: []byte("workloads: web: 3")}, "cluster.cue": {Data: []byte("cluster: pools: batch: weight: 2")}}
	t, err := readTree(files, p.Limits, "", nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, dir := range []string{"shop", "bad", "."} {
		one := p
		one.Dir = dir
		f.Add(Evaluate(one, t.folder))
	}
	f.Add([]byte(`{"Errors":[null]}`))
	f.Add([]byte(`{"Workloads":[{}],"Belongs":[{}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		r, err := p.receive(answer)
		if err != nil {
			return
		}
		for _, w := range r.Workloads {
			if teamOf(w.Name) != "shop" || len(w.Check()) > 0 {
				t.Errorf("taken: %+v", w)
			}
		}
		if len(r.Workloads) > 0 && len(r.Errors) > 0 {
			t.Error("errors and workloads")
		}
	})
}
