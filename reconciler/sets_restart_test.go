package reconciler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// proof plays an update of three slots from version 1 to 2, and where halfWay is
// set to that one once the first new instance is up. The server is restarted after
// every n-th round, 0 for never. It returns what was ordered and who had the
// traffic, in their order.
func proof(t *testing.T, n int, to, halfWay string, fields ...string) (lines []string, outcome reconciler.Outcome) {
	f := newFleet(t)
	for i := range 3 {
		f.add(fmt.Sprintf("n%d", i), "a")
	}
	f.round(time.Second)
	push := func(image string) {
		f.push([]schema.Workload{parseWorkload(t, append([]string{"shop/web", "replicas=3", "image=" + image}, fields...))}, nil)
	}
	push("1")
	for range 20 {
		f.round(5 * time.Second)
	}
	push(to)
	for round := range 120 {
		before := f.facts
		f.round(5 * time.Second)
		f.wish(reconciler.Wish{Verb: reconciler.PromoteWorkload, Of: "shop/web", Reason: "well"})
		lines = append(lines, newOrders(&before, &f.facts)...)
		if was, is := before.Rollouts[0].Serving, f.facts.Rollouts[0].Serving; was != is {
			lines = append(lines, "traffic goes to "+is.Short())
		}
		if up := f.facts.Rollouts[0].Progress > 0; halfWay != "" && up && f.facts.Rollouts[0].Stage == reconciler.Rolling {
			push(halfWay)
			halfWay = ""
		}
		if n > 0 && round%n == 0 {
			tip := f.desired
			f.restart()
			f.pass() // nobody is heard, and the repository neither
			f.desired = tip
		}
	}
	return lines, f.commit().Outcome
}

// A server that is restarted between every two steps comes to the same end by the
// same way, whether an update goes well, fails half way or is superseded half way
// (I16, I21, I33).
func TestReconcile_UpdatesGoOnAfterRestarts(t *testing.T) {
	ways := map[string][]string{
		"rolling": {"surge=1"}, "recreate": {"strategy=recreate"}, "blueGreen": {"soak=15s", "keep=30s"},
		"promoted": {"promotion=manual", "keep=30s"}, "canary": {"canary=1/15s,2/approve"},
		"refuted": {"canary=1,2/15s", "checks=2:lag,sick*2"},
		"checked": {"canary=1/15s,2/approve", "checks=1:!smoke,+lag@0", "checks=2:~load"},
	}
	ends := map[string]struct {
		to, halfWay string
		outcome     reconciler.Outcome
	}{"good": {"2", "", reconciler.Applied}, "fails": {"bad", "", reconciler.RolledBack}, "superseded": {"2", "3", reconciler.Applied}}
	for way, fields := range ways {
		for end, x := range ends {
			if way == "refuted" && x.outcome == reconciler.Applied {
				x.outcome = reconciler.RolledBack // by its check
			}
			t.Run(way+"/"+end, func(t *testing.T) {
				want, outcome := proof(t, 0, x.to, x.halfWay, fields...)
				if len(want) < 2 || outcome != x.outcome {
					t.Fatalf("%s: %v", outcome, want)
				}
				slices.Sort(want)
				for _, n := range []int{1, 2, 3} {
					got, outcome := proof(t, n, x.to, x.halfWay, fields...)
					slices.Sort(got)
					if outcome != x.outcome || !slices.Equal(got, want) {
						t.Errorf("restarted after each %d: %s\n%s\nnever restarted:\n%s", n, outcome, strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
			})
		}
	}
}
