package agent

import "time"

// clock is the agent's time: the machine's clock as it stood when the agent
// began, and from there on what has passed. Whoever sets the machine's clock
// stops no check and makes nothing older or younger than it is.
type clock struct {
	began time.Time // with its monotonic reading
	wall  func() time.Time
}

func newClock() clock { return clock{began: time.Now(), wall: time.Now} }

// read is the agent's time, and what the machine's clock says just then.
func (c *clock) read() (now, wall time.Time) {
	return c.began.UTC().Round(0).Add(time.Since(c.began)), c.wall().UTC().Round(0)
}

// onDisk are memories with the agent's instants on the machine's clock, which
// is the one that the next process begins with.
func (c *clock) onDisk(kept []Memory) []Memory {
	now, wall := c.read()
	ahead := wall.Sub(now).Round(time.Second)
	if ahead == 0 {
		return kept
	}
	for i := range kept {
		m := &kept[i]
		m.Next, m.Since = shifted(m.Next, ahead), shifted(m.Since, ahead)
		if m.Failure != nil {
			f := *m.Failure
			f.At = shifted(f.At, ahead)
			m.Failure = &f
		}
	}
	return kept
}

func shifted(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}
