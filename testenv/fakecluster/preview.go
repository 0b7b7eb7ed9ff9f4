package fakecluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// seat is the place of one slot.
type seat struct {
	node, address string
	ports         map[string]int
}

// firstPort is where the ports that a node gives out begin.
const firstPort = 31000

// place seats every slot on the first node, in turn, that has the cpu left.
func place(spec schema.Spec, all []status.Node) (map[string]seat, []status.PreviewUnplaced) {
	left, next, turn := map[string]schema.CPU{}, map[string]int{}, 0
	for _, n := range all {
		left[n.Name] = n.Allocatable.CPU
	}
	seats, homeless := map[string]seat{}, []status.PreviewUnplaced{}
	for _, w := range spec.Workloads {
		for i := range w.Replicas {
			slot := schema.Slot{Workload: w.Name, Index: i}.String()
			n := fits(all, left, turn, w.Resources.CPU)
			turn++
			if n == nil {
				homeless = append(homeless, unplaced(slot, w.Resources.CPU, len(all)))
				continue
			}
			left[n.Name] -= w.Resources.CPU
			seats[slot] = seat{n.Name, n.Address, ports(w.Ports, n.Name, next)}
		}
	}
	return seats, homeless
}

// fits is the first node from the turn's on that has the cpu; nil if none has.
func fits(all []status.Node, left map[string]schema.CPU, turn int, want schema.CPU) *status.Node {
	for i := range all {
		if n := &all[(turn+i)%len(all)]; left[n.Name] >= want {
			return n
		}
	}
	return nil
}

func unplaced(slot string, want schema.CPU, nodes int) status.PreviewUnplaced {
	return status.PreviewUnplaced{
		Slot: slot, Text: fmt.Sprintf("none of %d nodes can take it", nodes), Why: []string{fmt.Sprintf("cpu: %d nodes have less than %s left", nodes, want)},
	}
}

func ports(want map[string]schema.Port, node string, next map[string]int) map[string]int {
	if len(want) == 0 {
		return nil
	}
	names := make([]string, 0, len(want))
	for n := range want {
		names = append(names, n)
	}
	sort.Strings(names)
	got := map[string]int{}
	for _, n := range names {
		got[n] = firstPort + next[node]
		next[node]++
	}
	return got
}

// PreviewAndPin is Preview, and an event that the actor approved it.
func (c *Cluster) PreviewAndPin(ctx context.Context, repo string, base *schema.Spec, head schema.Spec, actor string) (*status.Preview, error) {
	p, err := c.Preview(ctx, repo, base, head)
	if err != nil {
		return nil, err
	}
	p.Pinned = true
	v := reconciler.Voucher{Commit: head.Revision.Commit, Actor: actor}
	c.Record(status.Event{Kind: "operator", Commit: v.Commit, Actor: actor, Text: v.String() + " is pinned"})
	return p, nil
}

// Preview compares spec with the base, or the one in force.
func (c *Cluster) Preview(_ context.Context, _ string, base *schema.Spec, spec schema.Spec) (*status.Preview, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mode, force, against := status.Live, c.spec, c.st.Revision.Commit
	if base != nil {
		mode, force, against = status.OnBase, *base, base.Revision.Commit
	}
	seats, homeless := place(spec, c.st.Nodes)
	old, _ := place(force, c.st.Nodes)
	p := &status.Preview{Schema: status.Schema, Mode: mode, Commit: spec.Revision.Commit, Against: against, State: "5ca1ab1e", Changes: []status.PreviewChange{}, Unplaced: homeless}
	for i := range spec.Workloads {
		w := &spec.Workloads[i]
		if ch, differs := compare(force.Workload(w.Name), w); differs {
			ch.Slots = moves(w.Name, old, seats, w.Replicas)
			p.Changes = append(p.Changes, ch)
		}
	}
	for i := range force.Workloads {
		w := &force.Workloads[i]
		if spec.Workload(w.Name) == nil {
			p.Changes = append(p.Changes, status.PreviewChange{Workload: w.Name, Action: "remove", From: w.Digest(), Slots: moves(w.Name, old, nil, w.Replicas)})
		}
	}
	slices.SortFunc(p.Changes, byWorkload)
	return p, nil
}

// Snapshot is the state of a cluster of these nodes in which the text in force was
// carried out: by the real decision, for it is asked of that.
func (c *Cluster) Snapshot(context.Context) (*status.Recording, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := reconciler.Input{Desired: c.spec, Now: c.now, Started: c.now, Epoch: 1}
	for i := range c.st.Nodes {
		n := &c.st.Nodes[i]
		in.Observed.Nodes = append(in.Observed.Nodes, nodes.Seen{At: c.now, Report: nodes.Report{Inventory: true, Now: c.now, Node: nodes.Node{
			Name: n.Name, Address: n.Address, Attributes: n.Attributes, Allocatable: n.Allocatable, PortMin: firstPort, PortMax: firstPort + 999, Runtime: n.Runtime, Version: n.Version}}})
	}
	in.Desired.Revision.Commit = cmp.Or(c.st.Revision.Commit, "none")
	in.Desired.Seal()
	in.Facts = reconciler.Foresee(in).Facts
	in.Observed = reconciler.Ideal(&in.Facts, in.Observed, c.now)
	r := status.Record(c.st.Cluster, in)
	return &r, nil
}

func compare(old, want *schema.Workload) (status.PreviewChange, bool) {
	ch := status.PreviewChange{Workload: want.Name, Action: "create", To: want.Digest()}
	if old == nil {
		return ch, true
	}
	ch.From, ch.Fields = old.Digest(), differences(old, want)
	switch {
	case ch.From != ch.To:
		ch.Action, ch.Strategy = "update", want.Update.Strategy
	case old.Replicas != want.Replicas:
		ch.Action = "scale"
	default:
		ch.Action = "settings"
	}
	return ch, len(ch.Fields) > 0
}

func moves(workload string, old, now map[string]seat, replicas int) []status.PreviewSlot {
	var all []status.PreviewSlot
	for i := range replicas {
		slot := schema.Slot{Workload: workload, Index: i}.String()
		if old[slot].node != "" || now[slot].node != "" {
			all = append(all, status.PreviewSlot{Slot: slot, From: old[slot].node, To: now[slot].node, Ports: now[slot].ports})
		}
	}
	return all
}

// differences are the paths at which two workloads' JSON differ.
func differences(a, b *schema.Workload) []status.FieldChange {
	from, to := flat(a), flat(b)
	paths := map[string]bool{}
	for p := range from {
		paths[p] = true
	}
	for p := range to {
		paths[p] = true
	}
	var all []status.FieldChange
	for p := range paths {
		if from[p] != to[p] {
			all = append(all, status.FieldChange{Path: p, From: from[p], To: to[p]})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}

func flat(w *schema.Workload) map[string]string {
	b, err := json.Marshal(w)
	if err != nil {
		panic(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		panic(err)
	}
	leaves := map[string]string{}
	flatten("", tree, leaves)
	return leaves
}

func flatten(path string, v any, leaves map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			p := k
			if path != "" {
				p = path + "." + k
			}
			flatten(p, x, leaves)
		}
	case []any:
		for i, x := range v {
			flatten(fmt.Sprintf("%s[%d]", path, i), x, leaves)
		}
	default:
		leaves[path] = fmt.Sprint(v)
	}
}
