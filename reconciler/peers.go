package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Members of a stateful workload find each other by what their orders say. It is
// no part of the digest: a container is told as it starts, and one that runs is
// not restarted because a peer has moved. A slot with a volume never moves by
// itself, so that only what has none, or what an operator or onLost gave up, has
// another address one day; its peers learn of it when they start next.

// fellows are the peers of a workload's slots as they were found to be by now, for
// one text of it.
type fellows struct {
	goal, text *schema.Workload
	peers      []nodes.Peer
	age        uint64 // the [Scratch.age] in which they were
}

// newAge forgets what was found of peers: a home changed, or a node.
func (p *pass) newAge() { p.age++ }

// sameAge goes on with what passes before found of peers where homes and nodes
// are the very facts that they had.
func (p *pass) sameAge() {
	v, n := p.facts.Volumes, p.facts.Nodes
	if !oneList(p.agedVolumes, v) || !oneList(p.agedNodes, n) {
		p.agedVolumes, p.agedNodes = v, n
		p.newAge()
	}
}

// fellows are what is known of the i-th rollout's peers; nil while nothing is.
func (p *pass) fellows(i int, goal, text *schema.Workload) *fellows {
	if i >= len(p.fellowsOf) {
		return nil
	}
	if f := &p.fellowsOf[i]; f.age == p.age && f.goal == goal && f.text == text {
		return f
	}
	return nil
}

func (p *pass) know(i int, goal, text *schema.Workload, peers []nodes.Peer) {
	for len(p.fellowsOf) <= i {
		p.fellowsOf = append(p.fellowsOf, fellows{})
	}
	p.fellowsOf[i] = fellows{goal, text, peers, p.age}
}

// peers are all slots of a stateful workload that have a home, in their order,
// with the ports that text names; nil for every other kind. Orders that are told
// the same have one list, so that comparing it once does for all of them.
func (p *pass) peers(i int, goal, text *schema.Workload) []nodes.Peer {
	if goal.Kind != schema.Stateful || text.Kind != schema.Stateful {
		return nil
	}
	if f := p.fellows(i, goal, text); f != nil {
		return f.peers
	}
	var all []nodes.Peer
	for index := range goal.Replicas {
		if peer, at, ok := p.peer(goal, index); ok && p.portsComplete(at, i, text) {
			peer.Ports = portsOf(text, p.facts.Volumes[at].Ports)
			all = append(all, peer)
		}
	}
	all = p.asTold(i, all)
	p.know(i, goal, text, all)
	return all
}

// asTold is the list that an order of the workload has already, if it says the
// same.
func (p *pass) asTold(i int, all []nodes.Peer) []nodes.Peer {
	group := p.groupAt(i)
	for j := range group {
		if o := group[j].order; o != nil && slices.EqualFunc(o.Peers, all, nodes.Peer.Equal) {
			return o.Peers
		}
	}
	return all
}

// peer is one of them without its ports, and the fact that tells its home.
func (p *pass) peer(goal *schema.Workload, index int) (peer nodes.Peer, at int, ok bool) {
	peer.Slot = schema.Slot{Workload: goal.Name, Index: index}
	if at = p.homeAt(peer.Slot); at < 0 {
		return peer, at, false
	}
	node, known := p.nodeAt(p.facts.Volumes[at].Node)
	if !known {
		return peer, at, false
	}
	peer.Address = p.nodes[node].fact.Node.Address
	return peer, at, true
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
func (p *pass) knowsPeers(i int, o *nodes.Order, goal, text *schema.Workload) bool {
	if goal.Kind != schema.Stateful || text.Kind != schema.Stateful {
		return len(o.Peers) == 0
	}
	if f := p.fellows(i, goal, text); f != nil && oneList(f.peers, o.Peers) {
		return true
	}
	same := len(o.Peers) == goal.Replicas
	for index := range goal.Replicas {
		now, at, ok := p.peer(goal, index)
		if !ok {
			return true
		}
		if same {
			was := &o.Peers[index]
			same = was.Slot == now.Slot && was.Address == now.Address && samePorts(was.Ports, text, p.facts.Volumes[at].Ports)
		}
		if !same && !p.portsComplete(at, i, text) {
			return true
		}
	}
	if same {
		p.know(i, goal, text, o.Peers)
	}
	return same
}

// oneList is whether both are the very same list, of one at least.
func oneList[T any](a, b []T) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}

// samePorts is whether told is portsOf, all chosen, at no expense.
func samePorts(told map[string]int, goal *schema.Workload, chosen map[string]int) bool {
	if len(told) != len(goal.Ports) {
		return false
	}
	for name, port := range goal.Ports {
		want := port.Host
		if want == 0 {
			want = chosen[name]
		}
		if want == 0 || told[name] != want {
			return false
		}
	}
	return true
}
