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

// event is what happened to a container, whoever asked for it.
type event struct {
	// what is "create", "start", "kill" (the signal to end has come), "die" or
	// "destroy".
	what           string
	id, slot, node string
	ports          map[string]int
	at             time.Time
}

// recorder keeps every event of a cluster's containers.
type recorder struct {
	mu sync.Mutex
	// events are in the order in which they were seen; more is closed, and made
	// anew, by each.
	events []event
	more   chan struct{}
}

// record follows a cluster's containers until the test ends.
func record(t *testing.T, d *dev) *recorder {
	t.Helper()
	r := &recorder{more: make(chan struct{})}
	d.on.follow(t, d, r)
	return r
}

// follow listens to the engine. What happened since it was called is never
// missed: the engine repeats its newest 256 events.
func (dockerEngine) follow(t *testing.T, d *dev, r *recorder) {
	now := time.Now()
	cmd := exec.Command("docker", "events", "--format", "{{json .}}", "--filter", "type=container",
		"--filter", "label=io.bayplan.cluster="+d.clusterID(), "--since", fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()))
	cmd.Stdout = &lineWriter{each: func(line []byte) {
		if e, ok := engineEvent(line); ok {
			r.add(e)
		}
	}}
	spawn(t, "docker-events", cmd)
}

// engineEvent reads a line of `docker events`.
func engineEvent(line []byte) (event, bool) {
	var e struct {
		Action string
		Actor  struct {
			ID         string
			Attributes map[string]string
		}
		TimeNano int64 `json:"timeNano"`
	}
	if json.Unmarshal(line, &e) != nil {
		return event{}, false
	}
	labels := e.Actor.Attributes
	found := event{what: e.Action, id: e.Actor.ID, slot: labels["io.bayplan.slot"], node: labels["io.bayplan.node"], at: time.Unix(0, e.TimeNano)}
	_ = json.Unmarshal([]byte(labels["io.bayplan.ports"]), &found.ports) // none where it is empty
	return found, true
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

func (r *recorder) add(e event) {
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
func (r *recorder) since(mark int, match func(*event) bool) (found []event) {
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
func (r *recorder) await(t *testing.T, what string, mark int, match func(*event) bool) {
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
			t.Fatalf("nothing tells of a %s", what)
		}
	}
}

// action matches events of a workload's slots.
func action(name, workload string) func(*event) bool {
	return func(e *event) bool {
		slot, ok := schema.ParseSlot(e.slot)
		return e.what == name && ok && slot.Workload == workload
	}
}
