package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Sweep makes the machine agree with alive, the ids of all containers that run
// or will be started again: whatever is of this network and belongs to none of
// them is taken away, be it recorded or not, and bridge and rules are put back
// whole if somebody removed them, or a firewall came up that drops forwarded
// packets. What
// this process attached counts as alive until Detach. Call it after Open, and
// from time to time.
func (n *Network) Sweep(ctx context.Context, alive []string) error {
	if err := n.sweep(ctx, alive); err != nil {
		return fmt.Errorf("sweeping the bridge: %w", err)
	}
	return nil
}

func (n *Network) sweep(ctx context.Context, alive []string) error {
	var errs []error
	for _, id := range n.dead(alive) {
		errs = append(errs, n.bury(ctx, id))
	}
	errs = append(errs, n.sweepLinks(), n.wire.ensure(n.cfg.Key, n.site.subnet), n.wire.gather(), n.mend())
	n.holdAgain()
	return errors.Join(errs...)
}

// dead are the ids that are neither alive nor held by this process.
func (n *Network) dead(alive []string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for id := range n.attached {
		if h := n.held[id]; (h == nil || h.ns == nil) && !slices.Contains(alive, id) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// bury detaches id, unless it came to life meanwhile.
func (n *Network) bury(ctx context.Context, id string) error {
	unlock, err := n.busy.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if h := n.holdingOf(id); h != nil && h.ns != nil {
		return nil
	}
	return n.detach(id)
}

// sweepLinks removes host ends that no record speaks of. Ends are listed before
// the records are looked at, and records are written before ends are made.
func (n *Network) sweepLinks() error {
	ends, err := n.wire.ends()
	if err != nil {
		return err
	}
	known := n.links()
	unknown := slices.DeleteFunc(ends, func(name string) bool { return known[name] })
	return n.wire.drop(unknown...)
}

func (n *Network) links() map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string]bool, len(n.attached))
	for _, r := range n.attached {
		all[r.Link] = true
	}
	return all
}

// holdAgain binds the ports of attachments that a former process made. One that
// somebody has taken since stays published all the same, since the container is
// what was ordered; but the log says so.
func (n *Network) holdAgain() {
	for _, r := range n.unheld() {
		for _, p := range r.Ports {
			h, err := hold(n.cfg.Publish, []Port{p})
			if err != nil {
				n.cfg.Log.Warn("a published port is bound by another process, which gets no connections by it", "container", r.ID, "port", p.String(), "err", err)
				continue
			}
			n.addHold(r.ID, h)
		}
	}
}

// unheld are the attachments with ports of which this process holds none.
func (n *Network) unheld() []record {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []record
	for id, r := range n.attached {
		if h := n.held[id]; r.published && len(r.Ports) > 0 && (h == nil || len(h.ports) == 0) {
			out = append(out, r)
		}
	}
	return out
}

// addHold keeps bound sockets for id, if it is still attached.
func (n *Network) addHold(id string, more holds) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.attached[id]; !ok {
		more.release()
		return
	}
	if n.held[id] == nil {
		n.held[id] = &holding{}
	}
	n.held[id].ports = append(n.held[id].ports, more...)
}
