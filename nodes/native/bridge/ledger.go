package bridge

import "net/netip"

// claim holds the host ports for id, unless Sweep has done so already.
func (n *Network) claim(id string, ports []Port) error {
	if h := n.holdingOf(id); h != nil && len(h.ports) == len(ports) {
		return nil
	}
	n.letGo(id)
	h, err := hold(n.cfg.Publish, ports)
	if err != nil {
		return n.blame(err, id)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held[id] = &holding{ports: h}
	return nil
}

// blame names the other attachment of this network that has the port, if one has.
func (n *Network) blame(err error, asker string) error {
	taken, ok := err.(*PortTakenError)
	if !ok {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, r := range n.attached {
		for _, p := range r.Ports {
			if id != asker && p.Host == taken.Port.Host && p.Protocol == taken.Port.Protocol {
				taken.Holder = id
			}
		}
	}
	return taken
}

// reserve gives id an address.
func (n *Network) reserve(id string, ports []Port) (record, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	used := make(map[netip.Addr]bool, len(n.attached))
	for _, r := range n.attached {
		used[r.Address] = true
	}
	a, err := next(n.site.subnet, n.last, used)
	if err != nil {
		return record{}, err
	}
	r := record{ID: id, Address: a, Ports: ports, Order: n.order + 1}
	n.last, n.order = a, n.order+1
	n.attached[id] = r
	return r, nil
}

// note writes a record down.
func (n *Network) note(r record) error {
	n.mu.Lock()
	n.attached[r.ID] = r
	n.mu.Unlock()
	return n.store.save(r)
}

// strike ends a record: the address is free.
func (n *Network) strike(id string) error {
	if err := n.store.forget(id); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.attached, id)
	return nil
}

func (n *Network) lookUp(id string) (record, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, ok := n.attached[id]
	return r, ok
}

func (n *Network) holdingOf(id string) *holding {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held[id]
}

// keep holds a namespace open for id.
func (n *Network) keep(id string, ns *namespace) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.held[id]
	if h == nil {
		h = &holding{}
		n.held[id] = h
	}
	h.ns.close()
	h.ns = ns
}

// letGo closes what is held for id.
func (n *Network) letGo(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := n.held[id]; h != nil {
		h.ns.close()
		h.ports.release()
		delete(n.held, id)
	}
}

// mark says whether an attachment's ports belong among the rules. The caller
// holds ruling.
func (n *Network) mark(id string, published bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r, ok := n.attached[id]; ok {
		r.published = published
		n.attached[id] = r
	}
}
