package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// side starts and ends one and the same container in its own way: a static
// program on the host's network, under Docker's seccomp profile and limits on
// memory, processor and processes. Its image is there.
type side interface {
	// start returns once the program runs.
	start(ctx context.Context, i int) error
	// end kills the program, and returns once nothing is left.
	end(ctx context.Context, i int) error
}

// measured is a side all of whose processes are ours, or were waited for.
type measured interface {
	// used is the processor time taken so far by those that have ended, the
	// programs in the containers included.
	used() time.Duration
}

// What each turn of a side starts, and then ends.
const inTurn = 50

// contestant is a side with what was found, in containers a second.
type contestant struct {
	name string
	side
	starts, ends []float64
	// cpu is of one life, from its start to its end; nothing where it is not
	// known.
	cpu []float64
}

// compete gives each its turn, round by round, each time another first: so a
// machine that gets busier favours none.
func compete(b *testing.B, rounds int, all []*contestant) {
	for round := range rounds {
		for i := range all {
			all[(round+i)%len(all)].turn(b)
		}
	}
	for _, c := range all {
		b.Logf("%s: starts a second %.1f, ends a second %.1f, ms of processor time a life %.1f", c.name, c.starts, c.ends, c.cpu)
	}
}

func (c *contestant) turn(b *testing.B) {
	b.Helper()
	m, known := c.side.(measured)
	var before time.Duration
	if known {
		before = m.used()
	}
	c.starts = append(c.starts, rate(b, c.start))
	c.ends = append(c.ends, rate(b, c.end))
	if known {
		c.cpu = append(c.cpu, (m.used()-before).Seconds()*1000/inTurn)
	}
}

// rate does something to each container, some at once, and is how many that was
// a second.
func rate(b *testing.B, do func(context.Context, int) error) float64 {
	b.Helper()
	began := time.Now()
	g, ctx := errgroup.WithContext(life)
	g.SetLimit(atOnce)
	for i := range inTurn {
		g.Go(func() error { return do(ctx, i) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return inTurn / time.Since(began).Seconds()
}

// times is the median of what one did for each that the other did, turn by turn.
func times(ours, theirs []float64) float64 {
	var each []float64
	for i := range ours {
		each = append(each, ours[i]/theirs[i])
	}
	return middle(each)
}

// against is the row of a promise as a ratio.
func against(rank int, what string, limit float64, ours, theirs []float64, notes string) row {
	ratio := times(ours, theirs)
	return row{rank: rank, what: what, limit: fmt.Sprintf(">= %.1fx", limit), within: ratio >= limit,
		measured: fmt.Sprintf("%.1fx: %.0f/s, %.0f/s (%d times each)%s", ratio, middle(ours), middle(theirs), len(ours), notes)}
}
