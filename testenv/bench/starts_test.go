package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/bayplan/bayplan/reconciler/status"
)

// BenchmarkStarts has 50 containers started on one node by a commit, and the
// same 50 by a plain client of the engine's API, in turns: A B, B A, A B, so that
// a machine that gets busier or an engine that gets slower favours neither.
func BenchmarkStarts(b *testing.B) {
	const slots, times, limit = 50, 7, 0.9
	c := up(b, docker, 1)
	c.follow()
	s := &starts{c: c, e: dial(b), slots: slots}
	startSlots(c, 1) // the node pulls the image
	startSlots(c, 0)
	for i := range times {
		if i%2 == 0 {
			s.byCommit()
			s.byClient()
		} else {
			s.byClient()
			s.byCommit()
		}
	}
	ratio := s.ratio()
	b.Logf("by a commit %.1f a second; by a plain client %.1f; server and agent used %s of processor a start", s.ours, s.plain, s.used/(times*slots))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(s.ours), "starts/s")
	b.ReportMetric(ratio, "of-plain-client")
	results.add(row{rank: 4, what: fmt.Sprintf("%d containers by one push, against a plain client", slots), limit: fmt.Sprintf(">= %.2fx", limit),
		measured: fmt.Sprintf("%.2fx: %.1f/s, plain %.1f/s (%d times each)", ratio, middle(s.ours), middle(s.plain), times), within: ratio >= limit})
}

// starts are rates, in containers a second.
type starts struct {
	c     *cluster
	e     *engine
	slots int
	// boxes are what the cluster's first 50 looked like.
	boxes       []container.InspectResponse
	ours, plain []float64
	// used is the processor time of server and agent meanwhile.
	used time.Duration
}

// ratio is the median of each turn's: two measurements side by side have the
// same neighbours on the machine, two medians may not.
func (s *starts) ratio() float64 {
	var each []float64
	for i := range s.ours {
		each = append(each, s.ours[i]/s.plain[i])
	}
	return middle(each)
}

func (s *starts) byCommit() {
	b, server, agent := s.c.b, s.c.pid("server"), s.c.pid("n1")
	before := cpu(b, server, agent)
	took := startSlots(s.c, s.slots)
	s.used += cpu(b, server, agent) - before
	if s.boxes == nil {
		s.boxes = s.e.boxes(s.c)
	}
	startSlots(s.c, 0)
	s.ours = append(s.ours, float64(s.slots)/took.Seconds())
}

func (s *starts) byClient() {
	s.plain = append(s.plain, float64(s.slots)/s.e.startAll(s.boxes).Seconds())
}

// startSlots pushes a number of replicas and returns the time from the push
// until the server has heard that the last of them runs.
func startSlots(c *cluster, slots int) time.Duration {
	c.b.Helper()
	commit := c.commit(c.web("web", "1", slots, onBridge))
	began, _ := c.push()
	end := began
	for left := slots; left > 0; left-- {
		end = c.await("slot running", func(e status.Event) bool { return e.Kind == "phase" && strings.HasSuffix(e.Text, " is running") }).Time
	}
	c.applied(commit)
	c.settle(slots)
	return end.Sub(began)
}

// cpu is what processes have used so far, in the kernel's and their own code.
func cpu(b *testing.B, pids ...int) (used time.Duration) {
	b.Helper()
	const tick = time.Second / 100 // USER_HZ, the same on every Linux
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			b.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		for _, f := range fields[11:13] {
			n, err := strconv.Atoi(f)
			if err != nil {
				b.Fatal(err)
			}
			used += time.Duration(n) * tick
		}
	}
	return used
}
