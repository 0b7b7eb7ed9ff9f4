package reconciler

import (
	"fmt"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// evict makes room for what found none, where that goes before what is there:
// the plan names who has to end, for whom and why.
func (p *pass) evict(t *scheduler.Table, wants []*want) {
	if len(wants) == 0 || !p.mayEvict() {
		return
	}
	requests := make([]scheduler.Request, len(wants))
	bySlot := map[schema.Slot]*want{}
	for i, w := range wants {
		requests[i], bySlot[w.request.Slot] = w.request, w
	}
	on := p.heldByNode()
	held := func(node int) []scheduler.Held { return on[node].held }
	for _, e := range t.Evict(requests, held, p.spare()) {
		for _, v := range e.Victims {
			x := &p.entries[on[v.Node].entries[v.Order]]
			p.retire(x, nodes.Evicted)
			p.changes[len(p.changes)-1].Why = fmt.Sprintf("for %s: %s%s", e.For, v.Why, waitsThere(x.order.Workload))
		}
		w := bySlot[e.For]
		p.outcome[w.rollout].waiting = fmt.Sprintf("%s waits for room on %s", e.For, t.Name(e.Node))
		p.unblock(e.For, t.Name(e.Node))
	}
}

// waitsThere tells of a victim that can go nowhere else.
func waitsThere(w *schema.Workload) string {
	if holdsVolume(w) {
		return "; it waits there for room, with its volume"
	}
	return ""
}

// mayEvict is whether anything that is there could have to go for something
// else.
func (p *pass) mayEvict() bool {
	for i := range p.facts.Spec.Pools {
		if p.facts.Spec.Pools[i].Guarantee != nil {
			return true
		}
	}
	for i := range p.facts.Rollouts {
		if w := p.facts.Rollouts[i].Want; w != nil && (w.Priority != 0 || w.Revocable) {
			return true
		}
	}
	return false
}

// nodeHeld is what a node's orders hold, each with the entry that it is of.
type nodeHeld struct {
	held    []scheduler.Held
	entries []int
}

func (p *pass) heldByNode() []nodeHeld {
	stopped := map[dropKey]bool{}
	for i := range p.edits {
		if e := &p.edits[i]; e.order.Stop || e.drop {
			stopped[dropKey{e.node, e.order.ID}] = true
		}
	}
	again := map[*nodes.Order]bool{} // they were just given other ports
	for i := range p.wants {
		if e := p.wants[i].reorder; e != nil {
			again[e.order] = true
		}
	}
	dropped := p.dropped()
	all := make([]nodeHeld, len(p.nodes))
	for i := range p.entries {
		e := &p.entries[i]
		if e.order == nil || e.order.Workload == nil || dropped[dropKey{e.node, e.order.ID}] || p.facts.Ended(p.nodes[e.node].fact.Name, e.order) {
			continue
		}
		w := e.order.Workload
		n := &all[e.node]
		n.entries = append(n.entries, i)
		n.held = append(n.held, scheduler.Held{Slot: e.order.Slot, Workload: w, Ports: e.order.Ports,
			Ending: e.order.Stop || stopped[dropKey{e.node, e.order.ID}], Fixed: again[e.order] || e.order.Step != nil || keepsPlace(w) || w.Kind == schema.Daemon, Waits: holdsVolume(w) && w.EvictWithVolumes})
	}
	return all
}

// spare is how many slots of each workload may be taken down beside those that
// are down, this pass's stops included (I1).
func (p *pass) spare() map[string]int {
	left := map[string]int{}
	for i := range p.facts.Rollouts {
		goal, _ := p.facts.Rollouts[i].goal()
		if goal != nil && goal.Kind.Runs() && !p.frozen(goal.Name) {
			left[goal.Name] = goal.Completions * MaxRunsAtOnce // it serves nobody: all may go
			continue
		}
		if goal == nil || goal.Kind != schema.Service || p.frozen(goal.Name) {
			continue
		}
		down := goal.Replicas - p.serving(i, goal)
		left[goal.Name] = max(maySpare(&goal.Update, goal.Replicas)-down, 0)
	}
	return left
}

// serving counts the slots of a workload that have an instance that serves and
// is not told to stop.
func (p *pass) serving(i int, goal *schema.Workload) (count int) {
	entries, r := p.groupAt(i), &p.facts.Rollouts[i]
	for index := range goal.Replicas {
		var mine []entry
		mine, entries = cut(entries, index)
		for j := range mine {
			if e := &mine[j]; e.order != nil && !e.order.Stop && !e.retired && p.serves(e) && r.directs(e.order.Digest) {
				count++
				break
			}
		}
	}
	return count
}

// unblock tells of a slot that waits for room that is being made.
func (p *pass) unblock(slot schema.Slot, node string) {
	for i := range p.blocked {
		if b := &p.blocked[i]; b.Slot == slot && b.Code == "unplaced" {
			b.Text += "; room is being made on " + node
			b.Next = ""
		}
	}
}
