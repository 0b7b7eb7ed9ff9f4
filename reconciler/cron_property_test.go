package reconciler_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// I24: over any history of ticks, jumps of the wall clock both ways, restarts of
// the server and commits that change the schedule, no instant of a cron runs
// twice, each that runs is one of the schedule in force and no later than its
// window, and a clock that runs on by itself leaves none out.
func TestCron_OncePerInstant(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newCronWorld(failing{t, rt}, rt)
		rt.Repeat(map[string]func(*rapid.T){"tick": c.tick, "tick on": c.tick, "jump": c.jump, "restart": c.renew, "commit": c.change, "finish": c.finish})
	})
}

// cronWorld is one cron on one node, with a wall clock that jumps.
type cronWorld struct {
	*fleet
	text  schema.Workload
	ran   map[string]int
	since time.Time // of an undisturbed clock
}

func newCronWorld(t testing.TB, rt *rapid.T) *cronWorld {
	f := newFleet(t)
	f.now = rapid.SampledFrom([]time.Time{f.now, time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 23, 0, 0, 0, time.UTC)}).Draw(rt, "begin")
	f.started = f.now
	f.add("n0", "a")
	c := &cronWorld{fleet: f, ran: map[string]int{}}
	c.round(time.Second)
	c.change(rt)
	return c
}

func (c *cronWorld) change(t *rapid.T) {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	c.text = parseWorkload(nil, []string{"a/one", "kind=cron", "schedule=" + pick("schedule", "*/5_*_*_*_*", "30_2_*_*_*", "0_*_*_*_*"), "zone=" + pick("zone", "UTC", "Europe/Berlin"),
		"overlap=allow", "catchUp=" + pick("catch up", "0s", "10m", "2h"), "kept=5"})
	c.push([]schema.Workload{c.text}, []schema.Team{{Name: "a"}})
	c.since = c.now
	c.look()
}

// look decides, and notes what it began.
func (c *cronWorld) look() {
	before := map[string]bool{}
	for _, r := range c.runs() {
		before[r.Name] = true
	}
	c.pass()
	for _, r := range c.runs() {
		if before[r.Name] {
			continue
		}
		if c.ran[r.Name]++; c.ran[r.Name] > 1 {
			c.t.Fatalf("I24: %s runs again", r.Name)
		}
		c.wantDue(r.Name)
	}
}

func (c *cronWorld) runs() []reconciler.Run {
	if j := c.facts.Job("a/one"); j != nil {
		return j.Runs
	}
	return nil
}

// wantDue: the instant is one of the schedule, and in its window.
func (c *cronWorld) wantDue(name string) {
	at, err := time.Parse("20060102T1504Z", name)
	if err != nil {
		c.t.Fatal(err)
	}
	zone, err := schema.LoadZone(c.text.TimeZone)
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := schema.ParseSchedule(c.text.Schedule, zone)
	if err != nil {
		c.t.Fatal(err)
	}
	late := c.now.Sub(at)
	if !s.Next(at.Add(-time.Second)).Equal(at) || late < 0 || late > max(c.text.CatchUp.D(), time.Minute) {
		c.t.Fatalf("I24: %s ran %s late, of %s by the clock of %s", name, late, c.text.Schedule, c.text.TimeZone)
	}
	c.wantNone(s, at)
}

// wantNone: between the last look at an undisturbed clock and this instant none
// was left out.
func (c *cronWorld) wantNone(s *schema.Schedule, at time.Time) {
	for t := s.Next(c.since); t.Before(at); t = s.Next(t) {
		if name := t.Format("20060102T1504Z"); c.ran[name] == 0 {
			c.t.Fatalf("I24: %s was left out", name)
		}
	}
}

// tick is less than the time between two instants.
func (c *cronWorld) tick(t *rapid.T) {
	c.now = c.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "seconds")) * time.Second)
	c.hear(c.machines[0])
	c.look()
}

// jump sets the wall clock; what counts by another goes on.
func (c *cronWorld) jump(t *rapid.T) {
	by := time.Duration(rapid.SampledFrom([]int{-86400, -3600, -61, 61, 1800, 86400}).Draw(t, "by")) * time.Second
	c.now, c.started = c.now.Add(by), c.started.Add(by)
	for i := range c.heard.Nodes {
		c.heard.Nodes = slices.Clone(c.heard.Nodes)
		c.heard.Nodes[i].At = c.heard.Nodes[i].At.Add(by)
	}
	c.since = c.now.Add(48 * time.Hour) // whatever was missed is not looked for
	c.look()
}

func (c *cronWorld) renew(*rapid.T) {
	tip := c.desired
	c.fleet.restart()
	c.look()
	c.desired = tip
	c.hear(c.machines[0])
	c.look()
}

// finish lets all that runs end well.
func (c *cronWorld) finish(*rapid.T) {
	m := c.machines[0]
	c.deliver(m)
	for range 3 {
		c.carryOut(m, func(id string) bool {
			return m.insts[id] != nil && m.insts[id].Phase == nodes.Stopped && orderRuns(m, id)
		})
	}
	c.hear(m)
	c.look()
}

func orderRuns(m *machine, id string) bool {
	return slices.ContainsFunc(m.held.Orders, func(o nodes.Order) bool { return o.ID == id && !o.Stop })
}
