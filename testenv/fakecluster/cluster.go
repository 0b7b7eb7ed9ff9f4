// Package fakecluster is a whole cluster in memory, for tests of the API and of
// the client's verbs: what is applied to it runs at once, its containers have
// logs that can be followed and take commands. It satisfies reconciler/serve's
// Cluster, Consoles and Joiner.
package fakecluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// maxEvents bounds the record, as the real one's is.
const maxEvents = 1000

// Cluster is safe for concurrent use.
type Cluster struct {
	mu     sync.Mutex
	now    time.Time
	st     *status.Status
	newer  chan struct{}
	spec   schema.Spec
	events []status.Event
	pos    uint64
	more   chan struct{}
	boxes  map[string]*box
	tokens []string // who asked for each

	approved, removed []string
	rollouts          []reconciler.Rollout // sorted by workload
	holds             []reconciler.Hold

	images map[string][]nodes.Image // by node
}

// New has the named nodes, each with 4 cores and 8Gi, and runs nothing. Its
// clock stands at now.
func New(now time.Time, names ...string) *Cluster {
	c := &Cluster{now: now, newer: make(chan struct{}), more: make(chan struct{}), boxes: map[string]*box{}}
	c.st = &status.Status{
		Schema: status.Schema, Cluster: "harbour",
		History: []status.Revision{}, Workloads: []status.Workload{}, Nodes: []status.Node{}, Problems: []status.Problem{},
	}
	for i, n := range names {
		c.st.Nodes = append(c.st.Nodes, status.Node{
			Name: n, State: "ready", Runtime: "docker 20.10.24", Address: fmt.Sprintf("10.0.0.%d", i+1), Version: "dev",
			Attributes:  map[string]string{"os": "linux", "arch": "amd64", "node": n},
			Allocatable: nodes.Capacity{CPU: 4000, Memory: 8 << 30}, Heard: now,
		})
	}
	return c
}

// SetClock moves the cluster's clock.
func (c *Cluster) SetClock(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Change edits a copy of the status and publishes it.
func (c *Cluster) Change(edit func(*status.Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change(edit)
}

func (c *Cluster) change(edit func(*status.Status)) {
	b, err := json.Marshal(c.st)
	if err != nil {
		panic(err)
	}
	next := new(status.Status)
	if err := json.Unmarshal(b, next); err != nil {
		panic(err)
	}
	edit(next)
	c.st = next
	close(c.newer)
	c.newer = make(chan struct{})
}

// Commit makes r the revision in work; the one before goes to the history, and
// is superseded if it had not ended.
func (c *Cluster) Commit(r status.Revision) {
	c.Change(func(s *status.Status) {
		if s.Revision.Commit != "" {
			if !s.Revision.Outcome.Ended() {
				s.Revision.Outcome = reconciler.Superseded
			}
			s.History = slices.Insert(s.History, 0, s.Revision)
		}
		s.Revision = r
	})
}

// End gives the revision in work its outcome.
func (c *Cluster) End(o reconciler.Outcome, reason string) {
	c.Change(func(s *status.Status) { s.Revision.Outcome, s.Revision.Reason = o, reason })
}

// Apply makes spec the one in force: every slot that finds a place runs there
// and is healthy.
func (c *Cluster) Apply(spec schema.Spec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spec = spec
	places, _ := place(spec, c.st.Nodes)
	c.change(func(s *status.Status) {
		s.Workloads = []status.Workload{}
		for i := range spec.Workloads {
			w := c.running(&spec.Workloads[i], places)
			c.accept(&spec.Workloads[i])
			w.Rollout = c.rollout(&w)
			s.Workloads = append(s.Workloads, w)
		}
	})
}

func (c *Cluster) running(w *schema.Workload, places map[string]seat) status.Workload {
	out := status.Workload{
		Name: w.Name, Kind: string(w.Kind), Desired: w.Replicas, Digest: w.Digest(), Image: w.Image, State: "running", Slots: []status.Slot{},
	}
	for i := range w.Replicas {
		slot := schema.Slot{Workload: w.Name, Index: i}
		at, ok := places[slot.String()]
		if !ok {
			out.State, out.Reason = "waiting", "a slot has no place"
			continue
		}
		id := nodes.InstanceID(slot, w.Digest())
		c.box(at.node, id)
		out.Slots = append(out.Slots, status.Slot{
			Slot: slot.String(), Node: at.node, Phase: nodes.Running, Health: nodes.Healthy, Digest: w.Digest(), Ports: at.ports,
			Address: at.address, Container: "c-" + slot.String(), Since: c.now, Started: c.now, Reason: string(nodes.Created),
		})
	}
	n := len(out.Slots)
	out.Running, out.Healthy, out.Updated = n, n, n
	return out
}

// Status is the newest.
func (c *Cluster) Status() (*status.Status, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.st, c.newer
}

// Record adds an event; one without a time happens at the cluster's now.
func (c *Cluster) Record(e status.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = c.now
	}
	c.events = append(c.events, e)
	c.events = c.events[max(0, len(c.events)-maxEvents):]
	c.pos++
	close(c.more)
	c.more = make(chan struct{})
}

// Events are the newest last ones.
func (c *Cluster) Events(last int) ([]status.Event, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := 0
	if last > 0 {
		from = max(0, len(c.events)-last)
	}
	return slices.Clone(c.events[from:]), c.pos
}

// EventsAfter are those after pos that are kept.
func (c *Cluster) EventsAfter(pos uint64) ([]status.Event, uint64, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	missed := int(min(c.pos-pos, uint64(len(c.events))))
	return slices.Clone(c.events[len(c.events)-missed:]), c.pos, c.more
}

// Explain tells where a slot is.
func (c *Cluster) Explain(_ context.Context, slot schema.Slot) (*status.Explanation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &status.Explanation{Schema: status.Schema, Slot: slot.String(), Lines: []string{}, Nodes: []status.NodeAnswer{}, Instances: []status.Slot{}, Events: []status.Event{}}
	for _, w := range c.st.Workloads {
		for _, s := range w.Slots {
			if s.Slot == slot.String() {
				e.Instances = append(e.Instances, s)
				e.Lines = append(e.Lines, fmt.Sprintf("%s on %s: %s", s.Phase, s.Node, s.Reason))
			}
		}
	}
	if len(e.Instances) == 0 {
		return nil, fmt.Errorf("there is no slot %s: %w", slot, errdefs.ErrNotFound)
	}
	e.Text = fmt.Sprintf("%s is on %s", slot, e.Instances[0].Node)
	for _, v := range c.events {
		if v.Slot == slot.String() {
			e.Events = append(e.Events, v)
		}
	}
	return e, nil
}

// Moves are none: whatever runs here is well placed.
func (c *Cluster) Moves(context.Context, int) (*status.Moves, error) {
	return &status.Moves{Schema: status.Schema, Moves: []status.Move{}}, nil
}

// Approve lets the held commit through: it is applied.
func (c *Cluster) Approve(_ context.Context, commit, actor string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.st.Revision
	if !strings.HasPrefix(r.Commit, commit) {
		return "", fmt.Errorf("no held commit begins with %s", commit)
	}
	if r.Outcome != reconciler.Held {
		return "", fmt.Errorf("commit %s is %s, not Held", commit, r.Outcome)
	}
	c.approved = append(c.approved, r.Commit+" by "+actor)
	c.change(func(s *status.Status) {
		s.Revision.Outcome, s.Revision.Reason, s.Revision.Removals = reconciler.Applied, "", nil
	})
	return r.Commit, nil
}

// RemoveNode takes a node away that runs nothing, or whatever it runs by force.
func (c *Cluster) RemoveNode(_ context.Context, node string, force bool, actor string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.st.Nodes, func(n status.Node) bool { return n.Name == node })
	if at < 0 {
		return fmt.Errorf("there is no node %s; see: bayplan node ls: %w", node, errdefs.ErrNotFound)
	}
	if c.st.Nodes[at].State == "ready" && !force {
		return errdefs.ErrFailedPrecondition.WithMessage("node " + node + " answered less than 15s ago; remove it all the same with: bayplan node rm --force " + node)
	}
	c.removed = append(c.removed, node+" by "+actor)
	c.change(func(s *status.Status) { s.Nodes = slices.Delete(s.Nodes, at, at+1) })
	return nil
}

// Note records it as an event.
func (c *Cluster) Note(_ context.Context, node, actor, text string) error {
	c.Record(status.Event{Kind: "operator", Node: node, Actor: actor, Text: text})
	return nil
}

// Removals are the nodes taken away so far, "node by actor".
func (c *Cluster) Removals() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.removed)
}

// Approvals are those so far, "commit by actor".
func (c *Cluster) Approvals() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.approved)
}

// JoinLine numbers its tokens.
func (c *Cluster) JoinLine(_ context.Context, ttl time.Duration, actor string) (string, time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens = append(c.tokens, actor)
	return fmt.Sprintf("bayplan agent --join https://127.0.0.1:7117#token-%d", len(c.tokens)), c.now.Add(ttl), nil
}

// Tokens are who asked for a token so far.
func (c *Cluster) Tokens() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.tokens)
}

// byWorkload orders changes as a Preview promises.
func byWorkload(a, b status.PreviewChange) int { return cmp.Compare(a.Workload, b.Workload) }
