package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
)

// BenchmarkPush pushes one version after the other of a service with one slot,
// each time beside a `docker run` of the same.
func BenchmarkPush(b *testing.B) {
	const times, orderLimit, aboveLimit = 10, 150 * time.Millisecond, 300 * time.Millisecond
	c := up(b, 1)
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
		b.Logf("push %2d: ordered %4d ms, healthy %4d ms; docker run %4d ms", i-1, p.ordered.Milliseconds(), p.healthy.Milliseconds(), alone.Milliseconds())
	}
	above := healthy.median() - plain.median()
	b.Logf("the branch's move to the order at the agent: %s", fromRef)
	b.Logf("the last commit's phases: %s", c.run(`bayplan status -o json | tr -d ' \n' | grep -o '"phases":\[[^]]*\]' | head -1`))
	report(b, ordered.median(), "to-order")
	report(b, above, "above-docker-run")
	results.add(row{rank: 1, what: "git push (its own time included) to the order at the agent", limit: "<= " + ms(orderLimit),
		measured: ordered.String(), within: ordered.median() <= orderLimit})
	results.add(row{rank: 2, what: "git push to the new container healthy, above docker run", limit: "<= " + ms(aboveLimit),
		measured: ms(above) + ": " + healthy.String() + ", docker run " + plain.String(), within: above <= aboveLimit})
}

// pushed is how long one push took to get where.
type pushed struct{ ordered, fromRef, healthy time.Duration }

// pushOnce ends when the commit has. The times of the way are those at which the
// server heard of it: the agent knew a little earlier.
func pushOnce(c *cluster, tag string) pushed {
	c.b.Helper()
	commit := c.commit(c.web("web", tag, 1, `health: {http: {path: "/up", port: "http"}, interval: "1s"}`))
	began, moved := c.push()
	c.await("order", func(e status.Event) bool { return e.Kind == "order" && e.Commit == commit })
	taken := c.await("phase", func(e status.Event) bool { return e.Kind == "phase" })
	healthy := c.await("health", func(e status.Event) bool { return e.Kind == "health" && strings.HasSuffix(e.Text, " is healthy") })
	c.applied(commit)
	c.settle(1)
	return pushed{ordered: taken.Time.Sub(began), fromRef: taken.Time.Sub(moved), healthy: healthy.Time.Sub(began)}
}
