package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

var epochStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func drawText(t *rapid.T, label string) string {
	return rapid.StringMatching(`[a-z0-9"<\\ é]{0,12}`).Draw(t, label)
}

func drawTime(t *rapid.T, label string) time.Time {
	at := epochStart.Add(time.Duration(rapid.Int64Range(0, 1e15).Draw(t, label)))
	if rapid.Bool().Draw(t, label+" zone") {
		return at.In(time.FixedZone("", 3600))
	}
	return at
}

func drawMap(t *rapid.T, label string) map[string]string {
	return rapid.MapOfN(rapid.StringMatching(`[a-zA-Z_]{1,5}`), rapid.StringMatching(`.{0,5}`), 0, 3).Draw(t, label)
}

// drawNames are sorted, without doubles.
func drawNames(t *rapid.T, pattern, label string, most int) []string {
	list := rapid.SliceOfNDistinct(rapid.StringMatching(pattern), 0, most, rapid.ID[string]).Draw(t, label)
	slices.Sort(list)
	return list
}

func drawWorkload(t *rapid.T, name string) schema.Workload {
	w := schema.Workload{
		Name: name, Kind: rapid.SampledFrom([]schema.Kind{schema.Service, schema.Daemon}).Draw(t, "kind"),
		Image: drawText(t, "image"), Pinned: drawText(t, "pinned"), Pool: drawText(t, "pool"),
		Replicas: rapid.IntRange(0, 9).Draw(t, "replicas"), Env: drawMap(t, "env"), Labels: drawMap(t, "labels"),
		Args:      rapid.SliceOfN(rapid.StringMatching(`.{0,4}`), 0, 3).Draw(t, "args"),
		Resources: schema.Resources{CPU: schema.CPU(rapid.Int64Range(0, 9999).Draw(t, "cpu")), Memory: schema.Bytes(rapid.Int64Range(0, 1<<40).Draw(t, "memory"))},
		LostAfter: schema.Duration(rapid.Int64Range(0, 1e12).Draw(t, "lost after")),
		Update:    schema.Update{Strategy: "rolling", MaxSurge: schema.Amount{Percent: rapid.IntRange(0, 100).Draw(t, "surge"), IsPercent: true}},
	}
	if rapid.Bool().Draw(t, "health") {
		w.Health = &schema.Health{HTTP: &schema.HTTPCheck{Path: drawText(t, "path"), Port: "http"}, Retries: 3}
		w.Ports = map[string]schema.Port{"http": {Container: 8080, Protocol: "tcp"}}
	}
	return w
}

func drawFacts(t *rapid.T) reconciler.Facts {
	var f reconciler.Facts
	f.Spec = drawSpec(t)
	texts := []*schema.Workload{nil}
	for i := range f.Spec.Workloads {
		texts = append(texts, &f.Spec.Workloads[i])
	}
	gone := drawWorkload(t, "gone/away")
	texts = append(texts, &gone)
	text := rapid.SampledFrom(texts)
	for i := range rapid.IntRange(0, 4).Draw(t, "commits") {
		f.Commits = append(f.Commits, drawCommit(t, i))
	}
	for _, name := range drawNames(t, `[a-c]{1,2}(/[a-c]){1,2}`, "rollouts", 5) {
		f.Rollouts = append(f.Rollouts, drawRollout(t, name, text))
	}
	for _, name := range drawNames(t, `[a-c]{1,2}(/[a-c]){1,2}`, "jobs", 3) {
		f.Jobs = append(f.Jobs, drawJob(t, name, text))
	}
	for _, name := range drawNames(t, `[a-c]{1,2}/[a-c]`, "ends", 3) {
		f.Ends = append(f.Ends, reconciler.Ends{Workload: name, List: []reconciler.End{{To: schema.Digest(drawText(t, "to")), Outcome: reconciler.Applied, Began: drawTime(t, "began"), Ended: drawTime(t, "ended")}}})
	}
	for i, name := range drawNames(t, `[a-c]{1,2}/[a-c]`, "held", 2) {
		f.Holds = append(f.Holds, reconciler.Hold{Workload: name, Actor: drawText(t, "actor"), At: drawTime(t, "held"), Until: drawTime(t, "until"), Keep: schema.Digest(fmt.Sprint(i))})
		f.Cordons = append(f.Cordons, reconciler.Cordon{Node: name, Actor: drawText(t, "actor"), At: drawTime(t, "closed"), Drain: rapid.Bool().Draw(t, "drain")})
	}
	for _, name := range drawNames(t, `[a-d.-]{1,3}`, "nodes", 4) {
		f.Nodes = append(f.Nodes, drawNode(t, name, text))
	}
	for range rapid.IntRange(0, 2).Draw(t, "plans") {
		p := reconciler.PinnedPlan{Voucher: reconciler.Voucher{Pull: 1, Commit: drawText(t, "planned"), Actor: drawText(t, "actor"), At: drawTime(t, "at")}}
		p.Outline.Texts = []reconciler.TextChange{{Workload: drawText(t, "changed"), Sum: drawText(t, "sum"), Text: drawText(t, "text")}}
		p.Outline.Effects = []reconciler.Effect{{Workload: drawText(t, "suffers"), Restarts: rapid.Bool().Draw(t, "restarts"), Evicted: 1}}
		f.Plans = append(f.Plans, p)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "approvals") {
		f.Volumes = append(f.Volumes, reconciler.VolumeFact{Slot: schema.Slot{Workload: "a/b", Index: i}, Node: drawText(t, "home"), Since: drawTime(t, "since")})
		f.Enrolments = append(f.Enrolments, reconciler.Enrolment{Node: drawText(t, "enrolled"), Key: drawText(t, "key"), At: drawTime(t, "joined")})
		f.Approvals = append(f.Approvals, reconciler.Approval{Commit: drawText(t, "approved"), Actor: drawText(t, "actor"), At: drawTime(t, "at")})
	}
	return f
}

func drawSpec(t *rapid.T) schema.Spec {
	s := schema.Spec{Revision: schema.Revision{Commit: drawText(t, "commit"), Time: drawTime(t, "committed"), Body: drawText(t, "body")}}
	for _, name := range drawNames(t, `[a-c]{0,2}(/[a-c]){0,1}`, "teams", 4) {
		s.Teams = append(s.Teams, schema.Team{Name: name, Commit: drawText(t, "team commit"), Errors: rapid.SliceOfN(rapid.Just("x.cue:1:2: no"), 0, 2).Draw(t, "errors")})
	}
	for _, name := range drawNames(t, `[a-c]{1,2}(/[a-c]){0,2}`, "workloads", 6) {
		s.Workloads = append(s.Workloads, drawWorkload(t, name))
	}
	return s
}

func drawCommit(t *rapid.T, i int) reconciler.Commit {
	c := reconciler.Commit{
		Revision: schema.Revision{Commit: strings.Repeat(fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "hash")), 40), Time: drawTime(t, "commit time"), Subject: fmt.Sprint("commit ", i)},
		Outcome:  rapid.SampledFrom([]reconciler.Outcome{reconciler.Progressing, reconciler.Held, reconciler.Applied}).Draw(t, "outcome"),
		Reason:   drawText(t, "reason"), Touched: drawNames(t, `[a-c]`, "touched", 3), Seen: drawTime(t, "seen"),
	}
	if c.Outcome.Ended() {
		c.Ended = drawTime(t, "ended")
		c.Phases = []reconciler.PhaseTime{{Name: "detect", Took: schema.Duration(rapid.Int64Range(0, 1e12).Draw(t, "took"))}}
	}
	return c
}

// drawCourse is how far a runbook came; nil is none.
func drawCourse(t *rapid.T) *reconciler.Course {
	if rapid.Bool().Draw(t, "no course") {
		return nil
	}
	c := &reconciler.Course{ID: drawText(t, "course"), Of: drawText(t, "of"), Part: rapid.IntRange(0, 3).Draw(t, "part"), Failed: rapid.Bool().Draw(t, "course failed")}
	for i := range rapid.IntRange(0, 3).Draw(t, "turns") {
		c.Turns = append(c.Turns, reconciler.Turn{Slot: i, At: reconciler.TurnChange})
		c.Tries = append(c.Tries, reconciler.Try{List: "before", Slot: i, On: -1, Number: i + 1, Order: drawText(t, "step order"), Node: drawText(t, "step node"),
			State: reconciler.TryFailed, Began: drawTime(t, "try began"), Ended: drawTime(t, "try ended"), Code: i, Text: drawText(t, "try text"), Output: drawText(t, "try output")})
	}
	return c
}

func drawRollout(t *rapid.T, name string, text *rapid.Generator[*schema.Workload]) reconciler.Rollout {
	return reconciler.Rollout{Workload: name, Stage: rapid.SampledFrom([]reconciler.Stage{reconciler.Rolling, reconciler.Done}).Draw(t, "stage"),
		Target: schema.Digest(drawText(t, "target")), Want: text.Draw(t, "want"), Good: text.Draw(t, "good"), Before: text.Draw(t, "before"), GoodDigest: schema.Digest(drawText(t, "good digest")), Commit: drawText(t, "rollout commit"),
		Began: drawTime(t, "began"), Moved: drawTime(t, "moved"), Progress: rapid.IntRange(0, 5).Draw(t, "progress"), Reason: drawText(t, "reason"), Course: drawCourse(t)}
}

func drawJob(t *rapid.T, name string, text *rapid.Generator[*schema.Workload]) reconciler.JobFact {
	j := reconciler.JobFact{Workload: name, Ran: drawNames(t, `[0-9a-f]{12}`, "ran", 3), Until: drawTime(t, "until"), Clock: drawText(t, "clock"),
		Skipped: drawTime(t, "skipped"), SkippedWhy: drawText(t, "skipped why")}
	for i := range rapid.IntRange(0, 3).Draw(t, "runs") {
		r := reconciler.Run{Name: fmt.Sprint("run", i), Digest: schema.Digest(drawText(t, "digest")), Work: text.Draw(t, "work"), First: i, Began: drawTime(t, "began"),
			Outcome: rapid.SampledFrom([]reconciler.RunOutcome{reconciler.RunUnderWay, reconciler.RunFailed}).Draw(t, "outcome"), Reason: drawText(t, "reason")}
		for range rapid.IntRange(1, 3).Draw(t, "completions") {
			r.Slots = append(r.Slots, reconciler.RunSlot{Attempt: rapid.IntRange(0, 3).Draw(t, "attempt"), Instance: drawText(t, "instance"), Node: drawText(t, "node"),
				Began: drawTime(t, "began"), Completed: rapid.Bool().Draw(t, "completed"), ExitCode: rapid.IntRange(-1, 255).Draw(t, "code"), Text: drawText(t, "text")})
		}
		j.Runs = append(j.Runs, r)
	}
	return j
}

func drawNode(t *rapid.T, name string, text *rapid.Generator[*schema.Workload]) reconciler.NodeFact {
	n := reconciler.NodeFact{Name: name,
		Node:       nodes.Node{Name: drawText(t, "own name"), Attributes: drawMap(t, "attributes"), PortMin: 20000, Trouble: drawText(t, "trouble")},
		Assignment: nodes.Assignment{Node: drawText(t, "assigned"), Version: nodes.Version{Epoch: rapid.Int64().Draw(t, "epoch"), Serial: 3}},
	}
	for _, id := range drawNames(t, `[a-d]{1,2}`, "orders", 4) {
		n.Assignment.Orders = append(n.Assignment.Orders, drawOrder(t, id, text))
	}
	return n
}

func drawOrder(t *rapid.T, id string, text *rapid.Generator[*schema.Workload]) nodes.Order {
	return nodes.Order{ID: id, Slot: schema.Slot{Workload: "a/" + id, Index: rapid.IntRange(0, 3).Draw(t, "index")}, Digest: schema.Digest(drawText(t, "digest")),
		Workload: text.Draw(t, "workload"), Ports: maps.Collect(maps.All(map[string]int{"http": rapid.IntRange(1, 65535).Draw(t, "port")})),
		Stop: rapid.Bool().Draw(t, "stop"), Reason: nodes.Created, Commit: drawText(t, "order commit"), Placed: drawTime(t, "placed"), Since: nodes.Version{Epoch: 1, Serial: 2}, Trace: drawText(t, "trace")}
}
