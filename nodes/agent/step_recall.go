package agent

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// recall takes up the life that an earlier process left running. It is believed
// until the first Listing, and its health until a probe says otherwise, so that
// the end of an agent is not the end of anybody's good health.
func (l *berth) recall() {
	m := &l.mem
	l.born = m.Life
	if m.Since.IsZero() {
		return
	}
	l.recalled = true
	l.phase, l.health, l.since = nodes.Running, m.Health, m.Since
	switch m.Health {
	case nodes.Healthy:
		l.probe.passed = true
	case nodes.Unhealthy:
		l.probe.failure = &nodes.Failure{
			Code: nodes.HealthFailing, Text: "failed its health check before the agent started", At: m.Since, Count: 1,
		}
	}
}

// remember keeps what recall takes up.
func (l *berth) remember() {
	if l.recalled {
		return
	}
	m := &l.mem
	m.Health, m.Since, m.Container = nodes.HealthUnknown, time.Time{}, ""
	if l.phase == nodes.Running && l.box != nil {
		m.Health, m.Since, m.Container = l.health, l.since, l.box.Container
	}
}

// wakeUp moves what was kept out of the future, where it comes to stand when
// the machine's clock was set back meanwhile.
func (s *step) wakeUp() {
	if !s.asleep {
		return
	}
	s.asleep = false
	for _, l := range s.berths {
		l.since, l.born = past(l.since, s.now), past(l.born, s.now)
		if f := l.mem.Failure; f != nil && f.At.After(s.now) {
			now := *f
			now.At = s.now
			l.mem.Failure = &now
		}
	}
}

func past(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}
