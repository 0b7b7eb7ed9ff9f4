package bridge

import (
	"fmt"
	"net/netip"
	"slices"
)

// Backend is what translates addresses.
type Backend string

// The back ends. The zero value is Nftables where the kernel can do it, or else
// Iptables.
const (
	Nftables Backend = "nftables"
	Iptables Backend = "iptables"
)

// rule is one published port.
type rule struct {
	port    Port
	address netip.Addr
}

// site is what every rule is about.
type site struct {
	key, tag, bridge string
	subnet           netip.Prefix
	publish          netip.Addr
}

// ruler keeps this network's rules in the kernel. Its calls do not overlap. All
// of them are atomic in the kernel: other traffic never meets half of them.
type ruler interface {
	// replace makes the rules exactly these, whatever was there of this network.
	replace(all []rule) error
	// publish adds some; all includes them.
	publish(some, all []rule) error
	// withdraw removes some, there or not; all is without them.
	withdraw(some, all []rule) error
	// remove takes away all that is of this network, and is idempotent.
	remove() error
	// close ends the use of what it holds open; the rules stay.
	close()
}

// newRuler is the back end asked for, or the first that works here.
func newRuler(want Backend, s site) (ruler, error) {
	switch want {
	case Nftables:
		return newNft(s), nil
	case Iptables:
		return newIptables(s)
	case "":
	default:
		return nil, fmt.Errorf("back end %q: want %q or %q", want, Nftables, Iptables)
	}
	err := nftWorks()
	if err == nil {
		return newNft(s), nil
	}
	r, other := newIptables(s)
	if other != nil {
		return nil, fmt.Errorf("addresses cannot be translated: nftables: %w; iptables: %w", err, other)
	}
	return r, nil
}

// rules are those of the records whose ports are published, sorted.
func rules(all map[string]record) []rule {
	var out []rule
	for _, r := range all {
		if r.published {
			out = append(out, r.rules()...)
		}
	}
	slices.SortFunc(out, func(a, b rule) int { return comparePorts(a.port, b.port) })
	return out
}

func (r record) rules() []rule {
	var out []rule
	for _, p := range r.Ports {
		out = append(out, rule{p, r.Address})
	}
	return out
}

// gather makes the calls that change the rules share their work.
func (n *Network) gather() {
	n.publishing.run = func(some []record) error {
		return n.change(some, true, func(r ruler) func(some, all []rule) error { return r.publish })
	}
	n.withdrawing.run = func(some []record) error {
		return n.change(some, false, func(r ruler) func(some, all []rule) error { return r.withdraw })
	}
	n.unlinking.run = func(names []string) error { return n.wire.drop(names...) }
}

func (n *Network) change(some []record, published bool, how func(ruler) func(some, all []rule) error) error {
	n.ruling.Lock()
	defer n.ruling.Unlock()
	var changed []rule
	for _, r := range some {
		n.mark(r.ID, published)
		changed = append(changed, r.rules()...)
	}
	if n.ruler == nil { // it could not be found when this process began
		return n.rule()
	}
	return how(n.ruler)(changed, n.rules())
}
