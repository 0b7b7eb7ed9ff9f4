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
// workloads of one running slot each, health checks going on, by each runtime.
func BenchmarkIdle(b *testing.B) {
	const agentLimit, serverLimit = 40, 150
	b.Run(docker, func(b *testing.B) {
		agent, server := idle(b, docker)
		results.add(memory(6, "agent", agentLimit, agent))
		results.add(memory(7, "server", serverLimit, server))
	})
	b.Run(builtin, func(b *testing.B) {
		agent, _ := idle(b, builtin)
		results.add(memory(17, "agent of the built-in runtime", agentLimit, agent))
	})
}

const idlers = 100

func memory(rank int, who string, limit, used float64) row {
	return row{rank: rank, what: fmt.Sprintf("%s idle with %d workloads that run, resident", who, idlers),
		limit: fmt.Sprintf("<= %.0f MB", limit), measured: fmt.Sprintf("%.1f MB", used), within: used <= limit}
}

// idle is what an agent and a server use in MB once they have come to rest.
func idle(b *testing.B, runtime string) (agent, server float64) {
	c := up(b, runtime, 1)
	c.follow()
	var text strings.Builder
	for i := range idlers {
		text.WriteString(c.web(fmt.Sprintf("w%02d", i), "1", 1, onBridge+`health: {http: {path: "/up", port: "http"}}`))
	}
	commit := c.commit(text.String())
	c.push()
	c.applied(commit)
	c.settle(idlers)
	select {
	case <-time.After(quiet):
	case <-life.Done():
	}
	agent, server = resident(b, c.pid("n1")), resident(b, c.pid("server"))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(agent, "MB-agent")
	b.ReportMetric(server, "MB-server")
	return agent, server
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
