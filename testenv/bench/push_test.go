package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
)

// BenchmarkPush pushes one version after the other of a service with one slot,
// each time beside a `docker run` of the same.
func BenchmarkPush(b *testing.B) {
	const times, orderLimit, aboveLimit = 10, 150 * time.Millisecond, 300 * time.Millisecond
	c := up(b, docker, 1)
	c.follow()
	e := dial(b)
	var ordered, fromRef, healthy, plain series
	for i := range times + 2 {
		p := pushOnce(c, []string{"1", "2"}[i%2])
		alone := e.dockerRun(e.boxes(c)[0])
		if i < 2 {
			continue // the node pulls each version once
		}
		ordered, fromRef = append(ordered, p.ordered), append(fromRef, p.fromRef)
		healthy, plain = append(healthy, p.healthy), append(plain, alone)
	}
	above := healthy.median() - plain.median()
	b.Logf("to the order at the agent from before git push %v, from the branch's move %v", ordered, fromRef)
	b.Logf("to health, in ms: %v; docker run: %v", healthy.inMS(), plain.inMS())
	b.Logf("the last commit: %s", phases(c))
	report(b, ordered.median(), "to-order")
	report(b, above, "above-docker-run")
	results.add(row{rank: 1, what: "git push (its own time included) to the order at the agent", limit: "<= " + ms(orderLimit),
		measured: ordered.String(), within: ordered.median() <= orderLimit})
	results.add(row{rank: 2, what: "git push to the new container healthy, above docker run", limit: "<= " + ms(aboveLimit),
		measured: ms(above) + ": " + healthy.String() + ", docker run " + plain.String(), within: above <= aboveLimit})
}

// phases are where the newest commit spent its time.
func phases(c *cluster) string {
	var text strings.Builder
	for _, p := range c.status().Revision.Phases {
		fmt.Fprintf(&text, "%s %s ", p.Name, p.Took)
	}
	return text.String()
}

// pushed is how long one push took to get where.
type pushed struct{ ordered, fromRef, healthy time.Duration }

// pushOnce ends when the commit has. The times of the way are those at which the
// server heard of it: the agent knew a little earlier.
func pushOnce(c *cluster, tag string) pushed {
	c.b.Helper()
	commit := c.commit(c.web("web", tag, 1, onBridge+checked))
	began, moved := c.push()
	c.await("order", func(e status.Event) bool { return e.Kind == "order" && e.Commit == commit })
	taken := c.await("phase", func(e status.Event) bool { return e.Kind == "phase" })
	healthy := c.await("health", func(e status.Event) bool { return e.Kind == "health" && strings.HasSuffix(e.Text, " is healthy") })
	c.applied(commit)
	c.settle(1)
	return pushed{ordered: taken.Time.Sub(began), fromRef: taken.Time.Sub(moved), healthy: healthy.Time.Sub(began)}
}
