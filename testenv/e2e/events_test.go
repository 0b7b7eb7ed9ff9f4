package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// engineEvent is what the engine itself says about a container: what really
// happened, whoever asked for it.
type engineEvent struct {
	Action string
	Actor  struct {
		ID         string
		Attributes map[string]string
	}
	TimeNano int64 `json:"timeNano"`
}

func (e *engineEvent) slot() string   { return e.Actor.Attributes["io.bayplan.slot"] }
func (e *engineEvent) digest() string { return e.Actor.Attributes["io.bayplan.digest"] }
func (e *engineEvent) at() time.Time  { return time.Unix(0, e.TimeNano) }

// recorder keeps every event of a cluster's containers.
type recorder struct {
	mu sync.Mutex
	// events are in the engine's order; more is closed, and made anew, by each.
	events []engineEvent
	more   chan struct{}
}

// record follows the engine until the test ends. What happened since it was
// called is never missed: the engine repeats its newest 256 events.
func record(t *testing.T, cluster string) *recorder {
	t.Helper()
	r := &recorder{more: make(chan struct{})}
	now := time.Now()
	cmd := exec.Command("docker", "events", "--format", "{{json .}}", "--filter", "type=container",
		"--filter", "label=io.bayplan.cluster="+cluster, "--since", fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()))
	cmd.Stdout = &lineWriter{each: func(line []byte) {
		var e engineEvent
		if json.Unmarshal(line, &e) == nil {
			r.add(e)
		}
	}}
	spawn(t, "docker-events", cmd)
	return r
}

// lineWriter passes on whole lines.
type lineWriter struct {
	each func(line []byte)
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		w.each(line)
		w.rest = rest
	}
}

func (r *recorder) add(e engineEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	close(r.more)
	r.more = make(chan struct{})
}

// mark is a place in the record.
func (r *recorder) mark() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

// since are the events after a mark that match.
func (r *recorder) since(mark int, match func(*engineEvent) bool) (found []engineEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events[mark:] {
		if match(&e) {
			found = append(found, e)
		}
	}
	return found
}

// await waits until an event after the mark matches.
func (r *recorder) await(t *testing.T, what string, mark int, match func(*engineEvent) bool) {
	t.Helper()
	late := time.After(2 * time.Minute)
	for {
		r.mu.Lock()
		more := r.more
		r.mu.Unlock()
		if len(r.since(mark, match)) > 0 {
			return
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("the engine tells of no %s", what)
		}
	}
}

// action matches events of a workload's slots.
func action(name, workload string) func(*engineEvent) bool {
	return func(e *engineEvent) bool {
		slot, ok := schema.ParseSlot(e.slot())
		return e.Action == name && ok && slot.Workload == workload
	}
}
