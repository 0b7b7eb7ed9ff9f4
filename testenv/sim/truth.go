package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/testenv/sim/invariants"
)

// truth holds what really happens on all machines, and what is durable, against what
// is always true. It is told of every event that could break anything.
type truth struct {
	w *World
	// alive are the containers of what must not be twice, by what that is.
	alive map[string][]place
	// doubt are those of which one was on a machine that nobody looked after as the
	// other began.
	doubt map[string]bool
	// completed are the slots of runs that were recorded as such; begun are the runs
	// that ever were, live those of the newest facts.
	completed, begun, live map[string]bool
	// fired are the runs of crons by the times of their clocks.
	fired map[string]string
	// waited are the workloads whose image was not known, by commit.
	waited map[string]bool
	// deleting are the volumes that somebody decided to delete.
	deleting map[string]bool
	spec     *schema.Spec // the accepted one before
	watch    invariants.Watch
	changes  int // of what is no run, since the quiet began
}

// place is where a container is.
type place struct {
	m *machine
	b *box
}

func newTruth(w *World) truth {
	return truth{watch: invariants.Watch{Same: sameEvery, Fail: w.broken}, w: w, alive: map[string][]place{}, doubt: map[string]bool{}, completed: map[string]bool{}, begun: map[string]bool{},
		live: map[string]bool{}, waited: map[string]bool{}, fired: map[string]string{}, deleting: map[string]bool{}}
}

// sole is what there may be only one container of; empty for what may be twice.
func sole(o *schema.Workload, slot schema.Slot) string {
	switch {
	case o == nil:
	case o.Kind.Runs() && o.OnLost != schema.RetryElsewhere:
		return attempt(o, slot)
	case o.Kind == schema.Stateful, o.Kind == schema.Service && o.OwnsVolumes():
		return slot.String()
	}
	return ""
}

// attempt names a slot of a run, whichever attempt it is.
func attempt(o *schema.Workload, slot schema.Slot) string {
	return slot.Workload + " run " + o.Env["BAYPLAN_RUN"] + " slot " + o.Env["BAYPLAN_INDEX"]
}

// patience is how long an agent that was let go on may take to end what it must.
const patience = nodes.LeaseStop + 5*time.Second

// able is whether somebody looks after what runs on the machine, and did for long
// enough.
func (m *machine) able() bool {
	return m.up && !m.suspended && m.proc != nil && !m.proc.paused && m.engine.down == 0 && m.w.now-m.woke > patience
}

// started: of what may be only once no other lives (I2, I6), what is complete stays
// so (I5), and all of it fits (I3).
func (t *truth) started(m *machine, b *box, o *nodes.Order) {
	lapses := o.Workload.OnLost == schema.RetryElsewhere && !m.able() // it ends by its lease in a moment
	if o.Workload.Kind.Runs() && !lapses && t.completed[attempt(o.Workload, o.Slot)] {
		t.w.violate("I5", "%s is complete, and %s starts on %s", attempt(o.Workload, o.Slot), b.ID, m.name)
	}
	t.fits(m)
	t.paced(m, b)
	key := sole(o.Workload, o.Slot)
	if key == "" {
		return
	}
	for _, other := range t.alive[key] {
		if other.b == b {
			continue
		}
		if !other.b.lives() || !other.m.up {
			continue
		}
		if !other.m.able() || !m.able() {
			t.doubt[key] = true
			continue
		}
		t.twice(key, place{m, b}, other)
	}
	t.alive[key] = append(slices.DeleteFunc(t.alive[key], func(p place) bool { return p.b == b || !p.b.lives() }), place{m, b})
}

// A container that ends again and again is started ever later (I28): so many starts
// take no less than this.
const (
	startsLooked = 5
	startsWithin = 5 * time.Second
)

func (t *truth) paced(m *machine, b *box) {
	if len(b.times) == startsLooked && t.w.now-b.times[0] < startsWithin {
		t.w.violate("I28", "%s on %s is started %d times within %s", b.ID, m.name, startsLooked, t.w.now-b.times[0])
	}
}

func (t *truth) twice(key string, a, b place) {
	name := "I2"
	if a.b.work.Kind.Runs() {
		name = "I6"
	}
	t.w.violate(name, "of %s both %s on %s and %s on %s are alive", key, a.b.ID, a.m.name, b.b.ID, b.m.name)
}

// audit looks again at what was in doubt.
func (t *truth) audit() {
	for _, key := range slices.Sorted(maps.Keys(t.doubt)) {
		var live []place
		for _, p := range t.alive[key] {
			if p.b.lives() && p.m.up {
				live = append(live, p)
			}
		}
		switch {
		case len(live) < 2:
			delete(t.doubt, key)
		case !slices.ContainsFunc(live, func(p place) bool { return !p.m.able() }):
			t.twice(key, live[0], live[1])
		}
	}
}

// fits: the requests of all that is alive on a machine, stopping or not, are no more
// than it has (I3).
func (t *truth) fits(m *machine) {
	var sum nodes.Capacity
	for _, b := range m.engine.boxes {
		if b.lives() && b.work != nil {
			sum = sum.Plus(nodes.Capacity{CPU: b.work.Resources.CPU, Memory: b.work.Resources.Memory})
		}
	}
	if free := m.size.Minus(sum); free.CPU < 0 || free.Memory < 0 {
		t.w.violate("I3", "%s is over by %v", m.name, free)
	}
}

// stopping: somebody ordered it, its lease is over, or it is another than ordered
// (I4, I25).
func (t *truth) stopping(m *machine, b *box) {
	o := m.proc.order(b.ID)
	switch {
	case o == nil:
		t.w.violate("I4", "%s on %s is stopped, and no order names it", b.ID, m.name)
	case o.Stop, o.Step != nil:
	case o.Leased && m.proc.lease <= m.mark():
	case !maps.Equal(b.Ports, o.Ports), b.Digest != o.Digest:
	default:
		t.w.violate("I4", "%s on %s is stopped, and its order is to run", b.ID, m.name)
	}
}

func (t *truth) ended(*machine, *box) {}

func (t *truth) wiped(m *machine) {
	for _, key := range slices.Sorted(maps.Keys(t.alive)) {
		t.alive[key] = slices.DeleteFunc(t.alive[key], func(p place) bool { return p.m == m })
	}
}

// admitted: an agent never goes back to what an earlier leader ordered (I20).
func (t *truth) admitted(m *machine, held, next *nodes.Assignment) {
	if next.Version.Compare(held.Version) <= 0 {
		t.w.violate("I20", "%s goes from %v to %v", m.name, held.Version, next.Version)
	}
}

// ordered: nothing is ordered before it is recorded (I32).
func (t *truth) ordered(_ *server, a *nodes.Assignment) {
	f := &t.w.ledger.facts
	i := slices.IndexFunc(f.Nodes, func(n reconciler.NodeFact) bool { return n.Name == a.Node })
	if i < 0 || f.Nodes[i].Assignment.Version.Compare(a.Version) < 0 {
		t.w.violate("I32", "%s is ordered %v, which is not recorded", a.Node, a.Version)
	}
}

// erased: volumes are deleted where somebody decided so, and nothing uses them (I18).
func (t *truth) erased(m *machine, slot schema.Slot) {
	if m.engine.volumes[slot] && !t.deleting[slot.String()+" "+m.name] {
		t.w.violate("I18", "the volumes of %s on %s are deleted, and nobody decided that", slot, m.name)
	}
	for _, b := range m.engine.boxes {
		if b.Slot == slot && b.lives() {
			t.w.violate("I18", "the volumes of %s on %s are deleted under %s", slot, m.name, b.ID)
		}
	}
}

// written is what is durable from now on, and known to be.
func (t *truth) written(f *reconciler.Facts) {
	t.runs(f)
	for i := range f.Volumes {
		if v := &f.Volumes[i]; v.Deleting != nil {
			t.deleting[v.Slot.String()+" "+v.Node] = true
		}
	}
	if t.spec == nil || t.spec.Hash != f.Spec.Hash || t.spec.Revision.Commit != f.Spec.Revision.Commit {
		t.accepted(f)
		spec := f.Spec
		t.spec = &spec
	}
}

// runs: a completion is never taken back (I5), and no run begins twice (I24).
func (t *truth) runs(f *reconciler.Facts) {
	now := map[string]bool{}
	for i := range f.Jobs {
		j := &f.Jobs[i]
		for k := range j.Runs {
			r := &j.Runs[k]
			name := j.Workload + " run " + r.Name
			now[name] = true
			t.once(j.Workload, r)
			if t.begun[name] && !t.live[name] {
				t.w.violate("I24", "%s begins anew", name)
			}
			for s := range r.Slots {
				key := name + " slot " + strconv.Itoa(s)
				if t.completed[key] && !r.Slots[s].Completed {
					t.w.violate("I5", "%s was complete and is not", key)
				}
				t.completed[key] = t.completed[key] || r.Slots[s].Completed
				t.begun[name] = t.begun[name] || r.Slots[s].Attempt > 0
			}
		}
	}
	t.live = now
}

// once: a cron that names an hour fires once for it, also where the clocks are put
// back (I24).
func (t *truth) once(workload string, r *reconciler.Run) {
	if r.Work == nil || r.Work.Kind != schema.Cron || strings.HasPrefix(r.Work.Schedule, "*") || strings.Fields(r.Work.Schedule)[1] == "*" {
		return
	}
	zone, err := schema.LoadZone(r.Work.TimeZone)
	at, bad := time.Parse("20060102T1504Z", r.Name)
	if err != nil || bad != nil {
		return
	}
	key := workload + " " + r.Work.Schedule + " " + at.In(zone).Format("2006-01-02 15:04")
	if was := t.fired[key]; was != "" && was != r.Name {
		t.w.violate("I24", "%s fires at %s and %s, which is twice for one time of the clock", workload, was, r.Name)
	}
	t.fired[key] = r.Name
}

// accepted: what is in force comes from a commit that descends from the one before
// or was let through (I12), is no empty tree and removes no more than it may (I7),
// and each team's text is one commit's (I13).
func (t *truth) accepted(f *reconciler.Facts) {
	c := t.w.repo.find(f.Spec.Revision.Commit)
	if c == nil {
		return
	}
	if c.empty {
		t.w.violate("I7", "the empty tree of %s is in force", c.id[:4])
	}
	approved := slices.ContainsFunc(f.Commits, func(x reconciler.Commit) bool { return x.Revision.Commit == c.id && x.Approved != nil })
	if was := t.spec; was != nil && !approved {
		if !c.descends(was.Revision.Commit) {
			t.w.violate("I12", "%s is in force after %s, and does not descend from it", c.id[:4], was.Revision.Commit[:4])
		}
		removed := 0
		for i := range was.Workloads {
			t.pinned(&was.Workloads[i], f)
			if f.Spec.Workload(was.Workloads[i].Name) == nil {
				removed++
			}
		}
		if n := len(was.Workloads); removed > 1 && 2*removed > n {
			t.w.violate("I7", "%s removes %d of %d workloads, and nobody let it through", c.id[:4], removed, n)
		}
	}
	t.whole(f)
}

// pinned: a tag that moved changes nothing whose text stays (I16, I33).
func (t *truth) pinned(was *schema.Workload, f *reconciler.Facts) {
	if is := f.Spec.Workload(was.Name); is != nil && is.Image == was.Image && was.Pinned != "" && is.Pinned != was.Pinned {
		t.w.violate("I16", "%s is still %s, and goes from %s to %s", was.Name, was.Image, was.Pinned, is.Pinned)
	}
}

func (t *truth) whole(f *reconciler.Facts) {
	for _, team := range f.Spec.Teams {
		c := t.w.repo.find(team.Commit)
		if c == nil {
			continue
		}
		for i := range c.spec.Workloads {
			want := &c.spec.Workloads[i]
			if want.Team() != team.Name {
				continue
			}
			have := f.Spec.Workload(want.Name)
			if t.waited[c.id+" "+want.Name] {
				continue // its image was not known, and it stays as it was
			}
			if have == nil || have.Image != want.Image {
				t.w.violate("I13", "team %s is at %s, and %s is not", team.Name, c.id[:4], want.Name)
			}
		}
		for i := range f.Spec.Workloads {
			have := &f.Spec.Workloads[i]
			if have.Team() == team.Name && c.spec.Workload(have.Name) == nil {
				t.w.violate("I13", "team %s is at %s, and %s is of another commit", team.Name, c.id[:4], have.Name)
			}
		}
	}
}

// sameEvery is how many decisions that change something there are to one that is made
// twice.
const sameEvery = 200

// broken ends the run by a text that begins with an invariant's name.
func (w *World) broken(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	name, rest, _ := strings.Cut(text, ": ")
	w.violate(name, "%s", rest)
}

// decided looks at one pass whose decision was recorded; what a former leader decides
// and cannot record is no part of the history.
func (t *truth) decided(in *reconciler.Input, plan *reconciler.Plan) {
	t.watch.Check(*in, plan)
	for i := range plan.Changes {
		c := &plan.Changes[i]
		if c.Stop && c.Reason == nodes.NodeLost {
			t.lost(in, c)
		}
		if r := rollout(&plan.Facts, c.Slot.Workload); !c.Stop && c.Reason == nodes.RolledBack && c.Digest != r.GoodDigest {
			t.w.violate("I16", "%s goes back to %s, and %s was good", c.Slot, c.Digest.Short(), r.GoodDigest.Short())
		}
		if r := rollout(&plan.Facts, c.Slot.Workload); t.w.quiet && r != nil && !goal(r).Kind.Runs() {
			t.changes++
		}
	}
}

// lost: a node counts as lost only once it was silent for long enough by the clock
// of this leader (I22, I23), and not where many fell silent at once (I26).
func (t *truth) lost(in *reconciler.Input, c *reconciler.Change) {
	if d := silent(in, c.Node); d < reconciler.UnreachableAfter {
		t.w.violate("I22", "%s on %s gives way as lost, and was heard %s ago", c.Slot, c.Node, d)
	}
	many := 0
	for i := range in.Facts.Nodes {
		if d := silent(in, in.Facts.Nodes[i].Name); d >= reconciler.UnreachableAfter && d-silent(in, c.Node) < time.Minute && silent(in, c.Node)-d < time.Minute {
			many++
		}
	}
	if many > 1 && 3*many > len(in.Facts.Nodes)+1 {
		t.w.violate("I26", "%s gives way as lost with %d of %d nodes silent", c.Slot, many, len(in.Facts.Nodes))
	}
}

// silent is for how long a node was not heard by this leader.
func silent(in *reconciler.Input, node string) time.Duration {
	last := in.Started
	if s := in.Observed.Node(node); s != nil && s.At.After(last) {
		last = s.At
	}
	return in.Now.Sub(last)
}

func rollout(f *reconciler.Facts, workload string) *reconciler.Rollout {
	i := slices.IndexFunc(f.Rollouts, func(r reconciler.Rollout) bool { return r.Workload == workload })
	if i < 0 {
		return nil
	}
	return &f.Rollouts[i]
}

// goal is what a rollout steers to; an empty workload at its end.
func goal(r *reconciler.Rollout) *schema.Workload {
	w := r.Want
	if r.Good != nil && (r.Stage == reconciler.Reverting || r.Stage == reconciler.Reverted || r.Stage == reconciler.Waiting) {
		w = r.Good
	}
	if w == nil {
		return &schema.Workload{}
	}
	return w
}
