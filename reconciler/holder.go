package reconciler

// portHolder names the slot that holds a host port of a node, or for which it is
// kept; "" is none.
func (p *pass) portHolder(node string, port int) string {
	held := func(ports map[string]int) bool {
		for _, at := range ports {
			if at == port {
				return true
			}
		}
		return false
	}
	for i := range p.entries {
		e := &p.entries[i]
		if p.nodes[e.node].fact.Name == node && (e.order == nil && held(e.strayPorts()) || e.order != nil && held(e.order.Ports)) {
			return e.slot().String()
		}
	}
	for i := range p.facts.Volumes {
		if f := &p.facts.Volumes[i]; f.Node == node && held(f.Ports) {
			return f.Slot.String()
		}
	}
	return ""
}
