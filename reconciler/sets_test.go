package reconciler_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// setSets reads what is about a change of sets, which has short times where it
// says nothing of them.
func setSets(w *schema.Workload, k, v string) error {
	w.Update.Strategy = schema.BlueGreen
	s := w.Update.BlueGreen
	if s == nil {
		s = &schema.BlueGreenUpdate{Soak: schema.Duration(20 * time.Second), Promotion: "auto", Within: schema.Duration(time.Hour),
			KeepOld: schema.Duration(time.Minute), Drain: schema.Duration(10 * time.Second)}
		w.Update.BlueGreen = s
	}
	if k == "promotion" {
		s.Promotion = v
		return nil
	}
	d, err := time.ParseDuration(v)
	*map[string]*schema.Duration{"soak": &s.Soak, "keep": &s.KeepOld, "within": &s.Within, "drain": &s.Drain}[k] = schema.Duration(d)
	return err
}

// parseCanary reads the steps of a canary: "1/30s,50%/approve".
func parseCanary(v string) (steps []schema.CanaryStep, err error) {
	for text := range strings.SplitSeq(v, ",") {
		many, then, _ := strings.Cut(text, "/")
		s := schema.CanaryStep{Within: schema.Duration(time.Hour)}
		count, percent := strings.CutSuffix(many, "%")
		n, err := strconv.Atoi(count)
		if err != nil {
			return nil, err
		}
		if s.Count = n; percent {
			s.Count, s.Percent = 0, n
		}
		if s.Approve = then == "approve"; !s.Approve && then != "" {
			d, err := time.ParseDuration(then)
			if err != nil {
				return nil, err
			}
			s.Pause = schema.Duration(d)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// promote lets an update go on that waits, abort takes one back; what cannot be is
// refused.
func (a actions) promote(t *rapid.T) { a.say(t, reconciler.PromoteWorkload) }

func (a actions) abort(t *rapid.T) { a.say(t, reconciler.AbortWorkload) }

func (a actions) say(t *rapid.T, v reconciler.Verb) {
	a.wish(reconciler.Wish{Verb: v, Of: rapid.SampledFrom(fleetNames).Draw(t, "workload"), Reason: "so"})
}

// A preview goes past halts and past the time for which an old set is kept: it
// tells where the commit leads, whoever has to promote it (and takes nothing for
// promoted that is not).
func TestForesee_GoesPastHalts(t *testing.T) {
	for _, way := range []string{"soak=1h", "promotion=manual", "canary=1/1h,2/approve", "canary=1/1h,2/approve checks=1:smoke,~load"} {
		t.Run(way, func(t *testing.T) {
			f := newFleet(t)
			for _, name := range []string{"a", "b", "c"} {
				f.add(name, "a")
			}
			f.round(time.Second)
			for _, image := range []string{"image=1", "image=2"} {
				f.push([]schema.Workload{parseWorkload(t, append([]string{"shop/web", "replicas=3", image}, strings.Fields(way)...))}, nil)
				if image == "image=1" {
					f.rounds(20)
				}
			}
			was := encode(t, f.facts)
			forecast := reconciler.Foresee(f.input())
			r := forecast.Facts.Rollouts[0]
			if !forecast.Complete || len(forecast.Blocked) > 0 || r.Stage != reconciler.Done || r.Good.Image != "img:2" {
				t.Errorf("complete %v, blocked %v, %s", forecast.Complete, forecast.Blocked, encode(t, r))
			}
			if n := len(forecast.Facts.Nodes[0].Assignment.Orders); n != 1 {
				t.Errorf("%d orders on a in the end", n)
			}
			if string(encode(t, f.facts)) != string(was) {
				t.Error("the forecast changed the facts")
			}
		})
	}
}
