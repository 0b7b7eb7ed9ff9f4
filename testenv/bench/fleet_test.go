package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/reconciler/status"
)

// BenchmarkFleet is what one node of the built-in runtime does with a service on
// the host's network, through the whole control plane: it comes up, it changes
// its version, and one of it is killed.
func BenchmarkFleet(b *testing.B) {
	c := up(b, builtin, 1)
	c.follow()
	f := &fleet{c}
	f.scale(1) // the node pulls the image
	f.scale(0)
	f.comesUp(b)
	f.changes(b)
	f.losesOne(b)
}

// fleet is a cluster with one service.
type fleet struct{ *cluster }

// stepped changes ten slots at a time, and waits for nothing but their health.
const stepped = `update: {maxSurge: 10, minHealthyTime: "0s"}
	restart: {backoff: "1ms", maxBackoff: "1s"}
	`

// order commits the service and pushes it; it returns when that began.
func (f *fleet) order(tag string, slots int) (commit string, began time.Time) {
	f.b.Helper()
	commit = f.commit(f.web("web", tag, slots, onHost+checked+stepped))
	began, _ = f.push()
	return commit, began
}

// scale pushes a number of slots, and returns the time from the push until the
// server has heard that the last new one is healthy.
func (f *fleet) scale(slots int) time.Duration {
	f.b.Helper()
	commit, began := f.order("1", slots)
	end := f.healthy(slots, began)
	f.applied(commit)
	f.settle(slots)
	return end.Sub(began)
}

// healthy awaits so many words of health.
func (f *fleet) healthy(slots int, end time.Time) time.Time {
	f.b.Helper()
	for left := slots; left > 0; left-- {
		end = f.await("health", func(e status.Event) bool { return e.Kind == "health" && strings.HasSuffix(e.Text, " is healthy") }).Time
	}
	return end
}

func (f *fleet) comesUp(b *testing.B) {
	const slots, times, limit = 100, 5, 4 * time.Second
	var took series
	for range times {
		took = append(took, f.scale(slots))
		b.Logf("%d slots: %s", slots, phases(f.cluster))
		f.scale(0)
	}
	results.add(row{rank: 14, what: fmt.Sprintf("built-in runtime: %d slots from git push to all healthy", slots), limit: "<= " + ms(limit),
		measured: took.String(), within: took.median() <= limit})
}

func (f *fleet) changes(b *testing.B) {
	const slots, times, limit = 50, 5, 3 * time.Second
	f.scale(slots)
	var took series
	for i := range times {
		commit, began := f.order([]string{"2", "1"}[i%2], slots)
		end := f.healthy(slots, began)
		f.applied(commit)
		took = append(took, end.Sub(began))
		b.Logf("a change of %d: %s", slots, phases(f.cluster))
		f.settle(slots)
	}
	results.add(row{rank: 15, what: fmt.Sprintf("built-in runtime: %d slots to another version, 10 at a time", slots), limit: "<= " + ms(limit),
		measured: took.String(), within: took.median() <= limit})
}

// losesOne kills one program after the other, each once.
func (f *fleet) losesOne(b *testing.B) {
	const times, limit = 9, 150 * time.Millisecond
	var took series
	for _, folder := range f.folders()[:times] {
		began := time.Now()
		if err := unix.Kill(program(b, folder), unix.SIGKILL); err != nil {
			b.Fatal(err)
		}
		end := f.await("replacement", func(e status.Event) bool { return e.Kind == "phase" && strings.Contains(e.Text, " is running") }).Time
		took = append(took, end.Sub(began))
	}
	results.add(row{rank: 16, what: "built-in runtime: a program killed to its replacement running", limit: "<= " + ms(limit),
		measured: took.String(), within: took.median() <= limit})
}

// folders are those of the node's containers.
func (f *fleet) folders() []string {
	f.b.Helper()
	all, err := filepath.Glob(filepath.Join(f.dir, "node1", "native", "containers", "[^.]*"))
	if err != nil || len(all) == 0 {
		f.b.Fatalf("%d containers, %v", len(all), err)
	}
	return all
}

// program is the pid of a container's first process.
func program(b *testing.B, folder string) int {
	b.Helper()
	return started(b, folder).Init.Pid
}

func started(b *testing.B, folder string) (s bundle.Started) {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "started.json"))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		b.Fatal(err)
	}
	return s
}
