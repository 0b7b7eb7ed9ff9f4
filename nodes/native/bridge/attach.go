package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// Attachment is a container's place in the network.
type Attachment struct {
	// Namespace is the path of the network namespace, to be joined while this
	// Network is open and the container attached: /proc/<pid>/fd/<n>. From then
	// on the container holds it by itself.
	Namespace string
	// Address is the container's, Gateway the host's as the container sees it.
	Address, Gateway netip.Addr
}

// Attach makes a namespace for id with an address and the published ports, or
// says again what it made before, for the same ports. After a restart it finds
// the namespace of a container that runs; one that has ended gets a fresh
// namespace with the address that it had. It leaves nothing behind if it fails.
// A port that is taken is a [*PortTakenError].
func (n *Network) Attach(ctx context.Context, id string, ports []Port) (Attachment, error) {
	a, err := n.attach(ctx, id, ports)
	if err != nil {
		return Attachment{}, fmt.Errorf("attaching %s to the bridge: %w", id, err)
	}
	return a, nil
}

func (n *Network) attach(ctx context.Context, id string, ports []Port) (Attachment, error) {
	ports, err := normal(ports)
	if err != nil {
		return Attachment{}, err
	}
	unlock, err := n.busy.lock(ctx, id)
	if err != nil {
		return Attachment{}, err
	}
	defer unlock()
	if err := ctx.Err(); err != nil {
		return Attachment{}, err
	}
	if err := n.ready(); err != nil {
		return Attachment{}, err
	}
	former, there := n.lookUp(id)
	if there && !slices.Equal(former.Ports, ports) {
		return Attachment{}, errors.New("it is attached with other ports; detach it first")
	}
	if h := n.holdingOf(id); there && h != nil && h.ns != nil {
		return n.answer(former, h.ns), nil
	}
	if there {
		return n.again(ctx, former)
	}
	return n.anew(ctx, id, ports)
}

// ready is once the rules are there.
func (n *Network) ready() error {
	if n.ruled.Load() {
		return nil
	}
	n.ruling.Lock() // until Open has made them
	defer n.ruling.Unlock()
	if n.ruled.Load() {
		return nil
	}
	return n.rule()
}

// again is for an attachment that a former process made.
func (n *Network) again(ctx context.Context, r record) (Attachment, error) {
	if n.wire.has(r.Link) {
		if ns, ok := find(r.Inode); ok {
			n.keep(r.ID, ns)
			return n.answer(r, ns), nil
		}
	}
	if err := n.wire.drop(r.Link); err != nil {
		return Attachment{}, err
	}
	if err := n.claim(r.ID, r.Ports); err != nil {
		return Attachment{}, errors.Join(err, n.detach(r.ID))
	}
	return n.build(ctx, r)
}

func (n *Network) anew(ctx context.Context, id string, ports []Port) (Attachment, error) {
	if err := n.claim(id, ports); err != nil {
		return Attachment{}, err
	}
	r, err := n.reserve(id, ports)
	if err != nil {
		n.letGo(id)
		return Attachment{}, err
	}
	return n.build(ctx, r)
}

// build makes the links of a reserved attachment and publishes its ports.
func (n *Network) build(ctx context.Context, r record) (Attachment, error) {
	a, err := n.tryBuild(ctx, r)
	if err != nil {
		err = errors.Join(err, n.detach(r.ID))
		n.letGo(r.ID) // what could not be detached is for Sweep
		return Attachment{}, err
	}
	return a, nil
}

func (n *Network) tryBuild(ctx context.Context, r record) (Attachment, error) {
	ns, h, err := create()
	if err != nil {
		return Attachment{}, err
	}
	defer h.Close()
	n.keep(r.ID, ns)
	r.Link, r.Inode = n.wire.name(), ns.inode
	if err := n.note(r); err != nil {
		return Attachment{}, err
	}
	if err := n.wire.join(r.Link, ns, h, r.Address, n.site.subnet); err != nil {
		return Attachment{}, err
	}
	if err := n.publish(r); err != nil {
		return Attachment{}, err
	}
	return n.answer(r, ns), ctx.Err()
}

func (n *Network) publish(r record) error {
	if len(r.Ports) == 0 {
		return nil
	}
	if err := n.publishing.do(r); err != nil {
		return err
	}
	n.flows.published(r.Ports)
	return nil
}

func (n *Network) answer(r record, ns *namespace) Attachment {
	return Attachment{Namespace: ns.path(), Address: r.Address, Gateway: gateway(n.site.subnet)}
}

// Detach takes id out of the network: its ports and links, then what is known of
// its connections, and at last its address is free. One that is not attached is
// no error. It takes about 20 ms, nearly all of it waiting; calls at the same
// time wait together.
func (n *Network) Detach(ctx context.Context, id string) error {
	unlock, err := n.busy.lock(ctx, id)
	if err != nil {
		return fmt.Errorf("detaching %s: %w", id, err)
	}
	defer unlock()
	if err := n.detach(id); err != nil {
		return fmt.Errorf("detaching %s from the bridge: %w", id, err)
	}
	return nil
}

// detach removes rules and links side by side: each waits for the kernel.
func (n *Network) detach(id string) error {
	r, there := n.lookUp(id)
	if !there {
		return nil
	}
	var wg sync.WaitGroup
	var ruled error
	if len(r.Ports) > 0 {
		wg.Go(func() { ruled = n.withdrawing.do(r) })
	}
	linked := n.unlinking.do(r.Link)
	wg.Wait()
	if err := errors.Join(ruled, linked); err != nil {
		return err
	}
	n.flows.ended(r.Address)
	n.letGo(id)
	return n.strike(id)
}
