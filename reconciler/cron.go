package reconciler

import (
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// inTime is how late an instant still counts as in time, whatever the catch-up
// window: a schedule knows no less than minutes.
const inTime = time.Minute

// firing is when a cron fires next, kept from pass to pass.
type firing struct {
	clock       string
	after, next time.Time
	schedule    *schema.Schedule
}

// fire begins the run of the newest instant that is due and not too late. Every
// instant is decided once (I24): Until, which is recorded together with the run,
// only grows. It goes by the wall clock alone.
func (p *pass) fire(i, at int, goal *schema.Workload, digest schema.Digest) {
	now := p.in.Now.Round(0).UTC()
	f := p.firing(at, goal, now)
	if f.schedule == nil {
		p.blocked = append(p.blocked, Blocked{Workload: goal.Name, Code: "cron-unreadable", Text: "its schedule or time zone is not known to this server",
			Next: "push it anew: bayplan validate tells what is wrong with it"})
		return
	}
	p.wakeAt(f.next)
	if until := p.facts.Jobs[at].Until; until.Sub(now) > inTime {
		p.blocked = append(p.blocked, Blocked{Workload: goal.Name, Code: "clock-behind",
			Text: fmt.Sprintf("its instants up to %s are decided, and the server's clock shows %s: none fires twice", until.Format(time.RFC3339), now.Format(time.RFC3339)),
			Next: "set the server's clock; if it once was wrong, give the cron another name"})
	}
	if f.next.After(now) {
		return
	}
	due := dueAt(f, now, max(goal.CatchUp.D(), inTime))
	j := p.editJob(at)
	if due.IsZero() {
		j.Until, j.Skipped, j.SkippedWhy = now, f.next, "it was missed by more than catchUp "+goal.CatchUp.String()
	} else {
		j.Until = due
		p.decide(i, at, goal, digest, due)
	}
	p.wakeAt(p.firing(at, goal, now).next)
}

// firing is the cron's next instant that is not decided.
func (p *pass) firing(at int, goal *schema.Workload, now time.Time) *firing {
	clock := goal.Schedule + " " + goal.TimeZone
	if j := &p.facts.Jobs[at]; j.Clock != clock { // a new one counts from here on
		j = p.editJob(at)
		j.Clock = clock
		if now.After(j.Until) {
			j.Until = now
		}
	}
	if p.firings == nil || len(p.firings) > maxPatterns+len(p.facts.Rollouts) {
		p.firings = map[string]*firing{}
	}
	until := p.facts.Jobs[at].Until
	f := p.firings[goal.Name]
	if f == nil || f.clock != clock {
		f = &firing{clock: clock}
		if zone, err := schema.LoadZone(goal.TimeZone); err == nil {
			f.schedule, _ = schema.ParseSchedule(goal.Schedule, zone)
		}
		p.firings[goal.Name] = f
	}
	if f.schedule != nil && (f.next.IsZero() || !f.after.Equal(until)) {
		f.after, f.next = until, f.schedule.Next(until)
	}
	return f
}

// dueAt is the newest instant that is due and no later than the window; zero where
// all are later.
func dueAt(f *firing, now time.Time, window time.Duration) (due time.Time) {
	from := f.after
	if oldest := now.Add(-window); from.Before(oldest) {
		from = oldest
	}
	for t := f.schedule.Next(from); !t.After(now); t = f.schedule.Next(t) {
		due = t
	}
	return due
}

// decide begins the instant's run, unless a run that is under way forbids it.
func (p *pass) decide(i, at int, goal *schema.Workload, digest schema.Digest, due time.Time) {
	var live []int
	for k := range p.facts.Jobs[at].Runs {
		if p.facts.Jobs[at].Runs[k].Live() {
			live = append(live, k)
		}
	}
	name := due.Format("20060102T1504Z")
	switch {
	case slices.ContainsFunc(p.facts.Jobs[at].Runs, func(r Run) bool { return r.Name == name }):
		return
	case goal.Overlap == schema.ForbidOverlap && len(live) > 0:
		p.skip(at, due, "run "+p.facts.Jobs[at].Runs[live[0]].Name+" was under way")
		return
	case goal.Overlap == schema.AllowOverlap && len(live) >= MaxRunsAtOnce:
		p.skip(at, due, fmt.Sprintf("%d runs were under way", len(live)))
		return
	}
	if goal.Overlap == schema.ReplaceOverlap {
		for _, k := range live {
			if p.facts.Jobs[at].Runs[k].Outcome == RunUnderWay {
				p.endRun(at, k, RunSuperseded, "by "+name)
			}
		}
	}
	p.beginRun(i, at, name, goal, digest)
}

func (p *pass) skip(at int, due time.Time, why string) {
	j := p.editJob(at)
	j.Skipped, j.SkippedWhy = due, why
}
