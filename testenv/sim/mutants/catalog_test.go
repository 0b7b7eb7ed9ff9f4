package mutants

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is one bug: in file the text that is stands once, and comes to be the other.
type mutant struct {
	bug, file, is, becomes string
}

// catalog are all mutants.
var catalog = []mutant{
	{"no wait before a leased slot is replaced", "reconciler/slot.go",
		"after = max(after, nodes.LeaseWait)", "after = max(after, UnreachableAfter)"},
	{"a lease by the wall clock", "nodes/agent/step_lease.go",
		"if !s.now.Before(s.lease) {", "if !s.wall.Before(s.lease) {"},
	{"a lease that counts from the answer", "nodes/agent/step_lease.go",
		"until, lapsed = sent+Mark(nodes.LeaseTime), now >= lease", "until, lapsed = max(sent, now)+Mark(nodes.LeaseTime)*2, now >= lease"},
	{"what lapsed goes on by an old order", "nodes/agent/step_lease.go",
		"if until <= max(lease, now) || lapsed && held.Compare(newest) < 0 {", "if until <= max(lease, now) {"},
	{"a server that has not decided renews leases", "nodes/roster/roster.go",
		"return known && r.nodes[k].heard && r.nodes[k].back.Before(r.decided)", "return known && r.nodes[k].heard"},
	{"the agent ends everything on disconnect", "nodes/agent/step.go",
		"case l.order.Leased && !s.leases():", "case !s.leases():"},
	{"stopping containers free their room at once", "reconciler/pool.go",
		"if p.facts.Ended(p.nodes[e.node].fact.Name, e.order) {\n\t\t\tcontinue", "if e.order.Stop || p.facts.Ended(p.nodes[e.node].fact.Name, e.order) {\n\t\t\tcontinue"},
	{"slots that are down are not counted", "reconciler/budget.go",
		"if !serves {\n\t\tt.down++", "if !serves && len(entries) < 0 {\n\t\tt.down++"},
	{"a completion is not recorded", "reconciler/attempt.go",
		"slot.Completed, slot.ExitCode, slot.Text = true, 0, \"\"", "slot.ExitCode, slot.Text = 0, \"\""},
	{"a later attempt lowers a completion", "reconciler/attempt.go",
		"if slot.Completed {\n\t\treturn // now, or by an earlier attempt\n\t}", "slot.Completed = code == 0"},
	{"a lost attempt is repeated at once", "reconciler/attempt.go",
		"return !p.paused && r.retries() && p.over(e, r.Work)", "return !p.nodes[e.node].fresh()"},
	{"all nodes are lost after a restart", "reconciler/node.go",
		"heard := p.in.Started\n\t\tif len(seen)", "heard := p.in.Started.Add(-time.Hour)\n\t\tif len(seen)"},
	{"a node is lost as soon as it is silent", "reconciler/slot.go",
		"after = max(w.LostAfter.D(), UnreachableAfter)", "after = UnreachableAfter"},
	{"replacing does not pause where many are silent", "reconciler/node.go",
		"if together > 1 && 3*together > len(p.nodes) {", "if together > len(p.nodes) {"},
	{"absent is gone, whatever the node knows", "reconciler/slot.go",
		"gone := e.inst == nil && n.fresh() && n.seen.Report.Inventory &&\n\t\tn.seen.Report.Seen.Compare(e.order.Since) >= 0", "gone := e.inst == nil && n.seen != nil"},
	{"an order that no node names is stopped by a guess", "reconciler/strays.go",
		"|| !n.fresh() || n.seen.Report.Seen != held {", "|| !n.fresh() {"},
	{"nothing is sent on reconnect", "nodes/dialogue/server.go",
		"return parked != (nodes.Version{}) && (sent != parked || again)", "return sent != (nodes.Version{}) && (sent != parked || again)"},
	{"messages are not numbered", "nodes/dialogue/count.go",
		"if *c++; seq != uint64(*c) {", "if *c++; seq == 0 {"},
	{"a lost change is never made good", "nodes/dialogue/server.go",
		"r.Resync = s.resync.due()", "s.resync.due()"},
	{"a former leader's orders are taken", "nodes/agent/step_admit.go",
		"case c < 0:", "case c < -1:"},
	{"no budget for removals", "reconciler/hold.go",
		"case len(removals) > 1 && 2*len(removals) > inForce", "case len(removals) > 1 && len(removals) > 2*inForce"},
	{"a rewritten branch is followed", "reconciler/hold.go",
		"case a.Rewritten:", "case a.Rewritten && inForce < 0:"},
	{"half a commit is applied", "reconciler/accept.go",
		"if all[w.Team()] {\n\t\t\tcontinue", "if all[w.Team()] || i%7 == 6 {\n\t\t\tcontinue"},
	{"a broken team loses its workloads", "reconciler/accept.go",
		"if last.Workloads[j].Team() == t.Name {", "if last.Workloads[j].Team() == t.Name && j < 0 {"},
	{"what runs follows a tag that moved", "reconciler/pinimages.go",
		"pinned := cmp.Or(old.PinOf(image), resolved[image])", "pinned := cmp.Or(resolved[image], old.PinOf(\"\"))"},
	{"a cron fires twice in an hour that comes twice", "schema/schedule.go",
		"if at := instantOf(date, h, m, s.zone); at.After(after) {", "if at := instantOf(date, h, m, s.zone); at.Add(time.Hour).After(after) && !at.After(after) && at.In(s.zone).Hour() == at.Add(time.Hour).In(s.zone).Hour() {\n\t\t\t\treturn at.Add(time.Hour), true\n\t\t\t} else if at.After(after) {"},
	{"a quarantined version is tried again", "reconciler/accept.go",
		"quarantined := (r.Stage == Reverting || r.Stage == Reverted) && target == r.Target", "quarantined := r.Stage == Stuck && target == r.Target && p.paused"},
	{"a range over a map chooses", "reconciler/plan.go",
		"out := make([]nodes.Order, 0, len(orders)+len(edits))", "out := make([]nodes.Order, 0, len(orders)+len(edits))\n\tif len(edits) > 1 {\n\t\tshuffled := map[string]edit{}\n\t\tfor _, e := range edits {\n\t\t\tshuffled[e.order.ID] = e\n\t\t}\n\t\tfor _, e := range shuffled {\n\t\t\tif !e.drop && e.order.Commit != \"\" {\n\t\t\t\te.order.Trace = e.order.ID\n\t\t\t\tedits[0].order.Trace = e.order.ID\n\t\t\t}\n\t\t}\n\t}"},
	{"volumes are deleted as soon as they are idle", "reconciler/tend.go",
		"if end.After(p.in.Now) {\n\t\tp.wakeAt(end)\n\t\treturn false\n\t}", "p.wakeAt(end)"},
	{"a restarted agent does not adopt", "nodes/agent/step_hear.go",
		"l.box = &items[i]\n\ts.lives(l)", "l.box = &items[i]\n\tif l.recalled = false; l.order != nil && l.mem.Life.IsZero() && items[i].State == StateRunning && l.busy == Idle {\n\t\tl.box.Digest = \"unknown\"\n\t}\n\ts.lives(l)"},
	{"no back-off between restarts", "nodes/agent/step_hear.go",
		"l.mem.Next = later(at.Add(restartBackoff(l.order, m.Streak)), l.born.Add(minBackoff))", "l.mem.Next = at"},
	{"starts are not bounded", "nodes/agent/step.go",
		"if s.underway[Start] < Starts && (", "if s.underway[Start] < 100*Starts && ("},
	{"a running container is removed", "nodes/agent/step_decide.go",
		"case l.box.State == StateRunning || l.box.State == StatePreparing || l.box.Left:\n\t\ts.stop(l)", "case l.box.State == StatePreparing || l.box.Left:\n\t\ts.stop(l)"},
	{"a drained node gets new work", "reconciler/pool.go",
		"Closed: p.closed(&p.nodes[i])", "Closed: \"\""},
}

const root = "../../.."

// mutate is the file with the bug in it; an error where the text is not there once.
func (m *mutant) mutate() (string, bool) {
	b, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil || strings.Count(string(b), m.is) != 1 {
		return "", false
	}
	return strings.Replace(string(b), m.is, m.becomes, 1), true
}

// Every mutant still has its place in the source: one that lost it finds nothing.
func TestCatalog_Applies(t *testing.T) {
	for i := range catalog {
		if _, ok := catalog[i].mutate(); !ok {
			t.Errorf("%s: %s has the text not once that it changes: %q", catalog[i].bug, catalog[i].file, catalog[i].is)
		}
	}
}
