package reconciler

import (
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Members of a stateful workload find each other by what their orders say. It is
// no part of the digest: a container is told as it starts, and one that runs is
// not restarted because a peer has moved. A slot with a volume never moves by
// itself, so that only what has none, or what an operator or onLost gave up, has
// another address one day; its peers learn of it when they start next.

// peers are all slots of a stateful workload that have a home, in their order,
// with the ports that text names; nil for every other kind.
func (p *pass) peers(goal, text *schema.Workload) (all []nodes.Peer) {
	if goal.Kind != schema.Stateful || text.Kind != schema.Stateful {
		return nil
	}
	for index := range goal.Replicas {
		if peer, chosen, ok := p.peer(goal, text, index); ok {
			peer.Ports = portsOf(text, chosen)
			all = append(all, peer)
		}
	}
	return all
}

// peer is one of them without its ports, and the ports that were chosen for it.
func (p *pass) peer(goal, text *schema.Workload, index int) (peer nodes.Peer, chosen map[string]int, ok bool) {
	peer.Slot = schema.Slot{Workload: goal.Name, Index: index}
	at := p.homeAt(peer.Slot)
	if at < 0 || !p.portsComplete(at, text) {
		return peer, nil, false
	}
	node, known := p.nodeAt(p.facts.Volumes[at].Node)
	if !known {
		return peer, nil, false
	}
	peer.Address = p.nodes[node].fact.Node.Address
	return peer, p.facts.Volumes[at].Ports, true
}

// portsOf are a slot's host ports by name: the fixed ones, and those that were
// chosen for its home.
func portsOf(goal *schema.Workload, chosen map[string]int) map[string]int {
	if len(goal.Ports) == 0 {
		return nil
	}
	all := make(map[string]int, len(goal.Ports))
	for name, port := range goal.Ports {
		if port.Host != 0 {
			all[name] = port.Host
		} else if chosen[name] != 0 {
			all[name] = chosen[name]
		}
	}
	return all
}

// knowsPeers is whether there is nothing new to tell the order about its peers: it has
// them as they are by now, or not all of them have a home yet.
func (p *pass) knowsPeers(o *nodes.Order, goal, text *schema.Workload) bool {
	if goal.Kind != schema.Stateful || text.Kind != schema.Stateful {
		return len(o.Peers) == 0
	}
	same := len(o.Peers) == goal.Replicas
	for index := range goal.Replicas {
		now, chosen, ok := p.peer(goal, text, index)
		if !ok {
			return true
		}
		if same {
			told := &o.Peers[index]
			same = told.Slot == now.Slot && told.Address == now.Address && samePorts(told.Ports, text, chosen)
		}
	}
	return same
}

// samePorts is whether told is portsOf, at no expense.
func samePorts(told map[string]int, goal *schema.Workload, chosen map[string]int) bool {
	if len(told) != len(goal.Ports) {
		return false
	}
	for name, port := range goal.Ports {
		want := port.Host
		if want == 0 {
			want = chosen[name]
		}
		if told[name] != want {
			return false
		}
	}
	return true
}
