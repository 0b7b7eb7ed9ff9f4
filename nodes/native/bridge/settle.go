package bridge

import (
	"errors"
	"fmt"
	"net/netip"
)

// settle finds the range and gives the bridge its address. A range picked here
// is checked again once it shows in the machine's routes: another agent may have
// picked the same at the same time, and then both look for another.
func (n *Network) settle() (netip.Prefix, error) {
	if p, err := n.given(); err != nil || p.IsValid() {
		if err != nil {
			return p, err
		}
		return p, errors.Join(n.wire.ensure(n.cfg.Key, p), n.store.saveRange(p))
	}
	const tries = 16
	for range tries {
		p, err := n.tryRange()
		if err != nil || p.IsValid() {
			return p, err
		}
	}
	return netip.Prefix{}, errNoRange
}

// given is the range that is not ours to choose: the one asked for, or the one
// that containers have addresses of; or else the last one, if it is still free.
func (n *Network) given() (netip.Prefix, error) {
	saved, asked := n.store.savedRange(), n.cfg.Range
	if asked.IsValid() && saved.IsValid() && asked != saved && len(n.attached) > 0 {
		return asked, fmt.Errorf("range %s: %d containers have addresses of %s; stop them first, or ask for that range", asked, len(n.attached), saved)
	}
	used, err := n.usedByOthers()
	if err != nil {
		return netip.Prefix{}, err
	}
	if asked.IsValid() {
		if overlapsAny(asked, used) {
			return asked, fmt.Errorf("range %s overlaps a route of this machine; see: ip -4 route", asked)
		}
		return asked, nil
	}
	if !saved.IsValid() || usable(saved) != nil {
		return netip.Prefix{}, nil
	}
	if overlapsAny(saved, used) {
		if len(n.attached) == 0 {
			return netip.Prefix{}, nil
		}
		n.cfg.Log.Warn("the range of the bridge overlaps a route of this machine", "range", saved.String())
	}
	return saved, nil
}

func (n *Network) tryRange() (netip.Prefix, error) {
	used, err := n.usedByOthers()
	if err != nil {
		return netip.Prefix{}, err
	}
	p, err := pick(used)
	if err != nil {
		return p, err
	}
	if err := n.wire.ensure(n.cfg.Key, p); err != nil {
		return p, err
	}
	if used, err = n.wire.used(); err != nil {
		return p, err
	}
	if overlapsAny(p, used) {
		return netip.Prefix{}, nil
	}
	return p, n.store.saveRange(p)
}

func (n *Network) usedByOthers() ([]netip.Prefix, error) {
	n.wire.find()
	return n.wire.used()
}
