package roster

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// slack is how far an agent's clock may seem to wander, by the network's delay
// or its own error, before its times are moved anew. Below it the moved times
// stand still, so that an instance that did not change reads the same in every
// snapshot.
const slack = 100 * time.Millisecond

// clock moves an agent's times onto the server's clock: two readings of one
// instant. The agent's clock may be hours off; only its differences count.
type clock struct{ server, agent time.Time }

// set compares the clocks as a report of the agent's instant agent arrives at
// the server's instant now.
func (c *clock) set(now, agent time.Time) {
	off := now.Sub(c.server) - agent.Sub(c.agent)
	if c.server.IsZero() || off > slack || off < -slack {
		c.server, c.agent = now, agent
	}
}

// move is the report with all its times on the server's clock, and none of
// them after now. The server's monotonic reading goes with them.
func (c *clock) move(r nodes.Report, now time.Time) nodes.Report {
	at := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		if t = c.server.Add(t.Sub(c.agent)); t.After(now) {
			return now
		}
		return t
	}
	r.Now = at(r.Now)
	moved := make([]nodes.Instance, len(r.Instances))
	for k, i := range r.Instances {
		i.Since, i.Started = at(i.Since), at(i.Started)
		if i.Failure != nil {
			f := *i.Failure
			f.At = at(f.At)
			i.Failure = &f
		}
		moved[k] = i
	}
	r.Instances = moved
	ends := slices.Clone(r.Endings)
	for k := range ends {
		ends[k].Failure.At = at(ends[k].Failure.At)
	}
	r.Endings = ends
	return r
}
