package reconciler_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// checkAsked: what a commit that is accepted asks of a pool is within its limit,
// or no more than before, and a team that would ask for more has its old text,
// whole (I13, I19).
func (f *fleet) checkAsked(in reconciler.Input, p *reconciler.Plan) {
	was, is := &in.Facts.Spec, &p.Facts.Spec
	for i := range is.Pools {
		pool := &is.Pools[i]
		now, before := askedOf(is, is.Pools, pool.Name), askedOf(was, was.Pools, pool.Name)
		if pool.Limit != nil && now > pool.Limit.CPU && now > before {
			f.t.Fatalf("I19: %s is asked of pool %s, whose limit is %s; it was %s", now, pool.Name, pool.Limit.CPU, before)
		}
	}
	for i := range is.Owners {
		o := &is.Owners[i]
		if now, before := takenOf(is, o), takenOf(was, o); o.Quota != nil && now.Above(*o.Quota) != "" && now.More(before) {
			f.t.Fatalf("I19: %+v is taken under %s, whose quota is %+v; it was %+v", now, o.Path, *o.Quota, before)
		}
	}
	for _, t := range is.Teams {
		for _, text := range t.Errors {
			if strings.Contains(text, "it stays as it was") && t.Name != "" && !bytes.Equal(encode(f.t, textsOf(was, t.Name)), encode(f.t, textsOf(is, t.Name))) && is.Revision.Commit != was.Revision.Commit {
				f.t.Fatalf("I13: team %s was refused (%s) and does not stay as it was", t.Name, text)
			}
		}
	}
}

// askedOf is the cpu that a text's services ask of a pool and its parts.
func askedOf(s *schema.Spec, pools []schema.Pool, name string) (sum schema.CPU) {
	for i := range s.Workloads {
		if w := &s.Workloads[i]; w.Kind == schema.Service && !w.Revocable && scheduler.Tree(pools).Within(w.Pool, name) {
			sum += schema.CPU(w.Replicas) * w.Resources.CPU
		}
	}
	return sum
}

// takenOf is what the workloads under an owner's path take of its quota.
func takenOf(s *schema.Spec, o *schema.Owner) (sum schema.Quota) {
	for i := range s.Workloads {
		if w := &s.Workloads[i]; strings.HasPrefix(w.Name, o.Path) || o.Path == "/" {
			sum.CPU += w.Resources.CPU * schema.CPU(w.Replicas)
			sum.Memory += w.Resources.Memory * schema.Bytes(w.Replicas)
			sum.Workloads++
			sum.Slots += w.Replicas
		}
	}
	return sum
}

func textsOf(s *schema.Spec, team string) (all []schema.Workload) {
	for i := range s.Workloads {
		if s.Workloads[i].Team() == team {
			all = append(all, s.Workloads[i])
		}
	}
	return all
}

// TestReconcile_LimitsAtAcceptance: of commits that ask for anything of limited
// pools, none is accepted past a limit, and of a team that is refused nothing
// stops (I13, I17, I19; pass checks the first two).
func TestReconcile_LimitsAtAcceptance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFleet(t)
		f.t = failing{t, rt}
		f.add("n0", "a")
		f.add("n1", "a")
		f.round(time.Second)
		for range rapid.IntRange(2, 5).Draw(rt, "commits") {
			f.pools = somePools(schema.CPU(rapid.IntRange(1, 12).Draw(rt, "limit")*100), 100)
			f.owners = []schema.Owner{{Path: "/", Quota: &schema.Quota{CPU: schema.CPU(rapid.IntRange(2, 40).Draw(rt, "all") * 100)}},
				{Path: "a/", Quota: &schema.Quota{Slots: rapid.IntRange(1, 5).Draw(rt, "slots"), Workloads: rapid.IntRange(1, 2).Draw(rt, "workloads")}}}
			var ws []schema.Workload
			for _, name := range []string{"a/one", "a/two", "b/three", "c/four"} {
				if rapid.IntRange(0, 3).Draw(rt, "there") > 0 {
					ws = append(ws, parseWorkload(nil, limitedFields(rt, name)))
				}
			}
			f.push(ws, []schema.Team{{Name: "a"}, {Name: "b"}, {Name: "c"}})
			f.approved()
			f.pass()
			refused := map[string]bool{}
			for _, text := range reconciler.Refused(&f.desired, &f.facts.Spec) {
				team, _, _ := strings.Cut(text, ": ")
				refused[team] = true
			}
			for _, c := range f.plan.Changes {
				if c.Stop && refused[strings.Split(c.Slot.Workload, "/")[0]] {
					rt.Fatalf("I17: %s stops on %s: %s", c.Slot, c.Node, c.Reason)
				}
			}
			for range 4 {
				f.round(11 * time.Second)
			}
		}
	})
}

func limitedFields(t *rapid.T, name string) []string {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	fields := []string{name, "image=" + pick("image", "1", "2"), "cpu=" + pick("cpu", "100m", "300m", "900m"), "replicas=" + pick("replicas", "0", "1", "2", "3"),
		"pool=" + pick("pool", "default", "part", "part")}
	for _, more := range []string{pick("strategy", "", "strategy=recreate"), pick("down", "", "down=1"), pick("revocable", "", "", "revocable=yes")} {
		if more != "" {
			fields = append(fields, more)
		}
	}
	return fields
}

// approved lets the newest commit through, whatever it removes.
func (f *fleet) approved() {
	f.facts.Approvals = append(slices.Clone(f.facts.Approvals), reconciler.Approval{Commit: f.desired.Revision.Commit, At: f.now})
}
