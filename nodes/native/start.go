package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/bridge"
	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
)

// Start makes the folder and starts a monitor for it.
func (r *Runtime) Start(ctx context.Context, c agent.Container) (agent.Status, error) {
	b, err := r.start(ctx, c)
	if err != nil {
		return agent.Status{}, explainStart(c, err)
	}
	return b.status(), nil
}

func (r *Runtime) start(ctx context.Context, c agent.Container) (*box, error) {
	on, err := r.groundOf(c)
	if err != nil {
		return nil, err
	}
	defer on.release()
	b, err := r.claim(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	defer r.leave(b)
	if b.running() != nil {
		return b, nil
	}
	r.step("claimed")
	err = r.begin(ctx, b, c, on)
	b.mu.Lock()
	b.trouble = ""
	if err != nil {
		b.trouble = err.Error()
	}
	b.mu.Unlock()
	r.told.changed(b.id)
	return b, err
}

// claim is the box of an ID, made if there is none, with its turn taken.
func (r *Runtime) claim(ctx context.Context, id string) (*box, error) {
	if err := r.adopt(ctx); err != nil {
		return nil, err
	}
	for {
		r.mu.Lock()
		b := r.boxes[id]
		if b == nil {
			b = newBox(r.names, id)
			r.boxes[id] = b
		}
		r.mu.Unlock()
		if err := b.take(ctx); err != nil {
			return nil, err
		}
		if r.current(b) {
			return b, nil
		}
		b.give() // it was removed while we waited
	}
}

func (r *Runtime) current(b *box) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.boxes[b.id] == b
}

// leave gives the turn back; a box that never got a folder is forgotten.
func (r *Runtime) leave(b *box) {
	if !b.exists() {
		r.mu.Lock()
		delete(r.boxes, b.id)
		r.mu.Unlock()
	}
	b.give()
}

// begin begins a life. The turn is the caller's.
func (r *Runtime) begin(ctx context.Context, b *box, c agent.Container, on ground) error {
	cfg, err := r.config(c, on)
	if err != nil {
		return err
	}
	if err := makeVolumes(cfg.Mounts); err != nil {
		return err
	}
	address, err := r.connect(ctx, b, c)
	if err != nil {
		return err
	}
	cfg.Namespace, cfg.Address = address.Namespace, "127.0.0.1"
	if address.Address.IsValid() {
		cfg.Address = address.Address.String()
	}
	r.step("connected")
	cfg.Files = etc(cfg.Hostname, address.Address, c.Hosts)
	if err = r.write(b, cfg); err == nil {
		r.step("written")
		err = r.launch(ctx, b)
	}
	if err != nil {
		r.detach(b)
	}
	return err
}

// connect gives the container a network of its own; what it has on the host's is
// the zero Attachment.
func (r *Runtime) connect(ctx context.Context, b *box, c agent.Container) (bridge.Attachment, error) {
	switch {
	case c.Join != "":
		return r.shared(c.Join)
	case onHost(c.Workload):
		return bridge.Attachment{}, r.portsFree(ctx, c)
	}
	if r.cfg.Network == nil {
		return bridge.Attachment{}, errors.New(`this node has no bridge: order network "host", or see what "bayplan doctor" says of it`)
	}
	select {
	case <-r.swept: // nothing of a container that is gone is in the way
	case <-ctx.Done():
		return bridge.Attachment{}, context.Cause(ctx)
	}
	return r.cfg.Network.Attach(ctx, b.folder, published(c))
}

// shared is the network of a container that runs. Its program keeps it, so that
// nothing is to be held or cleared for who joins.
func (r *Runtime) shared(id string) (bridge.Attachment, error) {
	r.mu.Lock()
	b := r.boxes[id]
	r.mu.Unlock()
	if b == nil {
		return bridge.Attachment{}, fmt.Errorf("there is no container %s to share the network of", id)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watch == nil || b.started == nil {
		return bridge.Attachment{}, fmt.Errorf("container %s, whose network is to be shared, does not run", id)
	}
	address, err := netip.ParseAddr(b.cfg.Address)
	return bridge.Attachment{Namespace: fmt.Sprintf("/proc/%d/ns/net", b.started.Init.Pid), Address: address}, err
}

// published are the ports that the node leads to the container's.
func published(c agent.Container) []bridge.Port {
	var all []bridge.Port
	for _, name := range slices.Sorted(maps.Keys(c.Ports)) {
		p := c.Workload.Ports[name]
		all = append(all, bridge.Port{Host: c.Ports[name], Container: p.Container, Protocol: p.Protocol})
	}
	return all
}

// write makes the folder, or brings it up to date.
func (r *Runtime) write(b *box, cfg bundle.Config) error {
	content, err := json.Marshal(cfg)
	if err != nil {
		return err
	}
	cfg.Files = nil // they may be large, and are the monitor's affair
	b.mu.Lock()
	there, former := b.there, b.cfg
	b.mu.Unlock()
	if there {
		another := former.Image != cfg.Image || !slices.Equal(former.Layers, cfg.Layers)
		err = r.names.renew(b.folder, content, another)
	} else {
		err = r.names.make(b.folder, content)
	}
	if err != nil {
		return fmt.Errorf("writing the container's folder: %w", err)
	}
	b.mu.Lock()
	b.there, b.cfg = true, cfg
	b.mu.Unlock()
	return nil
}

// launch starts the monitor, which starts the program.
func (r *Runtime) launch(ctx context.Context, b *box) error {
	program, err := r.monitor.sealed()
	if err != nil {
		return fail(nodes.EngineDown, err, "%v", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.StartWithin, fmt.Errorf("the monitor did not start it within %v", r.cfg.StartWithin))
	defer cancel()
	process, ready, err := launch.StartContext(ctx, program, b.dir)
	if err != nil {
		return errors.Join(err, r.clearCgroup(b))
	}
	if ready.Trouble != nil {
		// It may be that a monitor is at work already, which an agent began to
		// start as it died, and which was not to be seen until now.
		if known, err := r.recognise(ctx, b); known || err != nil {
			return err
		}
		return troubled(ready.Trouble)
	}
	r.step("launched")
	w, err := holdChild(process)
	if err != nil { // it is not to run unwatched
		_ = process.Kill()
		_, _ = process.Wait()
		return errors.Join(err, r.clearCgroup(b))
	}
	b.mu.Lock()
	b.started, b.watch = ready.Started, w
	b.mu.Unlock()
	r.mind(b, w)
	return nil
}

// clearCgroup is for a monitor that was killed while it made one.
func (r *Runtime) clearCgroup(b *box) error {
	return cgroup.Clear(r.names.cgroup(b.folder))
}
