package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// quiet is how long the processes rest before they are looked at: an agent
// gives back what only its start needed ten seconds after it.
const quiet = 15 * time.Second

// BenchmarkIdle is the resident memory of a server and an agent with a hundred
// workloads of one running slot each, health checks going on.
func BenchmarkIdle(b *testing.B) {
	const workloads, agentLimit, serverLimit = 100, 40, 150
	c := up(b, 1)
	c.follow()
	var text strings.Builder
	for i := range workloads {
		text.WriteString(c.web(fmt.Sprintf("w%02d", i), "1", 1, `health: {http: {path: "/up", port: "http"}}`))
	}
	commit := c.commit(text.String())
	c.push()
	c.applied(commit)
	c.settle(workloads)
	select {
	case <-time.After(quiet):
	case <-life.Done():
	}
	agent, server := resident(b, c.pid("n1")), resident(b, c.pid("server"))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(agent, "MB-agent")
	b.ReportMetric(server, "MB-server")
	what := fmt.Sprintf(" idle with %d workloads that run, resident", workloads)
	results.add(row{rank: 6, what: "agent" + what, limit: fmt.Sprintf("<= %d MB", agentLimit), measured: fmt.Sprintf("%.1f MB", agent), within: agent <= agentLimit})
	results.add(row{rank: 7, what: "server" + what, limit: fmt.Sprintf("<= %d MB", serverLimit), measured: fmt.Sprintf("%.1f MB", server), within: server <= serverLimit})
}

// resident is a process's VmRSS in MB of a million bytes.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if n, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); n == 1 && err == nil {
			return kib * 1024 / 1e6
		}
	}
	b.Fatalf("no VmRSS in /proc/%d/status", pid)
	return 0
}
