package agent

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// introduce tells a slot of a stateful workload who it is and where its fellows
// are, itself among them:
//
//	BAYPLAN_ORDINAL              its number
//	BAYPLAN_REPLICAS             how many there are
//	BAYPLAN_PEER_<N>_<PORT>      ADDRESS:PORT where the node of slot N publishes that port
//	BAYPLAN_PEERS_<PORT>         all of them: NAME-0=ADDRESS:PORT,NAME-1=ADDRESS:PORT,…
//
// The container is called NAME-<its number>, and finds the others by such names,
// each at the address of its node.
func (c *Container) introduce(peers []nodes.Peer) {
	c.Hostname = c.Slot.Host()
	c.Env["BAYPLAN_ORDINAL"], c.Env["BAYPLAN_REPLICAS"] = decimal(c.Slot.Index), decimal(len(peers))
	all := map[string][]string{}
	for i := range peers {
		p := &peers[i]
		for _, name := range slices.Sorted(maps.Keys(p.Ports)) {
			at := net.JoinHostPort(p.Address, decimal(p.Ports[name]))
			c.Env["BAYPLAN_PEER_"+decimal(p.Slot.Index)+"_"+schema.EnvName(name)] = at
			all[name] = append(all[name], p.Slot.Host()+"="+at)
		}
		if _, err := netip.ParseAddr(p.Address); err == nil && (p.Slot != c.Slot || c.Workload.Network == schema.Host) {
			c.Hosts = append(c.Hosts, HostName{p.Slot.Host(), p.Address})
		}
	}
	for name, list := range all {
		c.Env["BAYPLAN_PEERS_"+schema.EnvName(name)] = strings.Join(list, ",")
	}
	slices.SortFunc(c.Hosts, func(a, b HostName) int { return strings.Compare(a.Name, b.Name) })
}
