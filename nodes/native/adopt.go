package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/cgroup"
)

// looks is how many folders are read side by side.
const looks = 8

// adopt takes over what the Dir holds, once, and clears what a crash left. What
// could not be read now is tried again by the next call.
func (r *Runtime) adopt(ctx context.Context) error {
	r.adopting.Lock()
	defer r.adopting.Unlock()
	if r.adopted {
		return nil
	}
	if err := r.ctx.Err(); err != nil {
		return errClosed
	}
	folders, err := r.folders()
	if err != nil {
		return fmt.Errorf("taking over the containers: %w", err)
	}
	boxes := make([]*box, len(folders))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(looks)
	for i, folder := range folders {
		g.Go(func() (err error) {
			if err := gctx.Err(); err != nil {
				return err
			}
			boxes[i], err = r.look(folder)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("taking over the containers: %w", err)
	}
	r.take(boxes)
	return nil
}

// folders are this node's containers; what was half made or half removed is
// cleared on the way.
func (r *Runtime) folders() ([]string, error) {
	for _, dir := range []string{containersDir, volumesDir} {
		if err := os.MkdirAll(filepath.Join(r.names.dir, dir), 0o711); err != nil {
			return nil, err
		}
	}
	if err := r.names.makeBase(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(r.names.dir, containersDir))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		name := e.Name()
		switch {
		case !r.names.owns(name):
		case strings.HasPrefix(name, newPrefix): // at once: it may be made again
			if err := os.RemoveAll(r.names.path(name)); err != nil {
				return nil, err
			}
		case strings.HasPrefix(name, gonePrefix):
			r.clear(r.names.path(name))
		default:
			all = append(all, name)
		}
	}
	return all, nil
}

// look reads one folder; nil if it is no container of this node. A monitor that
// lives is held; one whose box has a turn that is taken is still to be found.
func (r *Runtime) look(folder string) (*box, error) {
	dir := r.names.path(folder)
	cfg, err := readConfig(dir)
	if err != nil {
		return nil, r.unreadable(folder, err)
	}
	if cfg.Cluster != r.cfg.Cluster || cfg.Node != r.cfg.Node || r.names.folder(cfg.ID) != folder {
		return nil, nil
	}
	b := newBox(r.names, cfg.ID)
	b.there, b.cfg = true, cfg
	b.started, b.exit = readStarted(dir), readExit(dir)
	if b.watch, err = r.find(b.started); b.watch != nil || err != nil {
		return b, err
	}
	busy, err := locked(dir)
	if busy {
		b.turn <- struct{}{}
	}
	return b, err
}

// find holds the monitor of a life, if it lives. One of before the machine was
// started does not, whoever has its pid, and began so many ticks after that, now.
func (r *Runtime) find(started *bundle.Started) (*watch, error) {
	if started == nil || started.Boot != "" && started.Boot != boot() {
		return nil, nil
	}
	w, err := hold(started.Monitor)
	if errors.Is(err, errEnded) {
		return nil, nil
	}
	return w, err
}

// unreadable clears a folder whose config did not survive a power cut: nothing
// in it does. Where a monitor is at work it is none of that, and left alone.
func (r *Runtime) unreadable(folder string, err error) error {
	busy, lockErr := locked(r.names.path(folder))
	if busy || lockErr != nil {
		r.cfg.Log.Error("a container's folder cannot be read, and a monitor is at work in it", "folder", folder, "err", err)
		return lockErr
	}
	r.cfg.Log.Warn("a container's folder is broken and removed", "folder", folder, "err", err)
	gone, err := r.names.drop(folder)
	if err != nil {
		return err
	}
	r.clear(gone)
	return nil
}

// take makes the boxes those of this process.
func (r *Runtime) take(boxes []*box) {
	boxes = slices.DeleteFunc(boxes, func(b *box) bool { return b == nil })
	r.mu.Lock()
	for _, b := range boxes {
		r.boxes[b.id] = b
	}
	r.mu.Unlock()
	for _, b := range boxes {
		switch {
		case b.watch != nil:
			r.mind(b, b.watch)
		case len(b.turn) > 0:
			r.minding.Go(func() { r.identify(b) })
		case b.unsettled():
			b.turn <- struct{}{}
			r.minding.Go(func() { r.settle(b); b.give() })
		}
	}
	r.adopted = true
	r.clearGroups(boxes)
	if r.cfg.Network != nil {
		r.minding.Go(r.tend)
	}
}

// tendEvery is how long published ports are dead at most after somebody flushed
// the machine's rules.
const tendEvery = time.Minute

// tend clears what a crash left of the network, at once, and keeps it as it should
// be. What runs does not need that, and so nobody waits for it to hear what runs;
// what is to be attached does, see [Runtime.connect].
func (r *Runtime) tend() {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		if err := r.cfg.Network.Sweep(r.ctx, r.alive()); err != nil && r.ctx.Err() == nil {
			r.cfg.Log.Warn("looking after the bridge", "err", err)
		}
		if first {
			close(r.swept)
		}
		select {
		case <-r.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// alive are the folders of what runs, or is about to.
func (r *Runtime) alive() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, b := range r.boxes {
		if b.running() != nil || len(b.turn) > 0 {
			all = append(all, b.folder)
		}
	}
	return all
}

// clearGroups takes away the control groups that belong to no container. What
// fails is told and tried by the next process.
func (r *Runtime) clearGroups(boxes []*box) {
	known := map[string]bool{}
	for _, b := range boxes {
		known[b.folder] = b.watch != nil || len(b.turn) > 0
	}
	groups, err := cgroup.List(r.names.group)
	for _, g := range groups {
		if !known[g] {
			err = errors.Join(err, cgroup.Clear(r.names.cgroup(g)))
		}
	}
	if err != nil {
		r.cfg.Log.Warn("clearing what a crash left", "err", err)
	}
}

// How long a monitor may take that was starting its program when its agent died,
// and how often it is looked for: it has nobody to tell.
const (
	identifyWithin = usualStart
	identifyPause  = 5 * time.Millisecond
)

// identify finds out what becomes of a folder where a monitor is at work that has
// not yet said who it is. One that never does is ended with all that it made. The
// turn is taken meanwhile.
func (r *Runtime) identify(b *box) {
	defer b.give()
	for {
		ctx, cancel := context.WithTimeout(r.ctx, identifyWithin)
		known, err := r.recognise(ctx, b)
		cancel()
		if r.ctx.Err() != nil || known {
			return
		}
		if err == nil {
			r.settle(b)
			return
		}
		r.cfg.Log.Error("a monitor neither starts its program nor ends", "container", b.id, "err", err)
		if !r.bury(b) {
			return
		}
		select { // it may be this process that cannot look
		case <-r.ctx.Done():
			return
		case <-time.After(buryAgain):
		}
	}
}

// recognise waits until a monitor that is at work in a folder says who it is, and
// minds it; false is that none is at work any more.
func (r *Runtime) recognise(ctx context.Context, b *box) (bool, error) {
	tick := time.NewTicker(identifyPause)
	defer tick.Stop()
	for {
		started := readStarted(b.dir)
		if w, err := r.find(started); w != nil {
			b.mu.Lock()
			b.started, b.watch = started, w
			b.mu.Unlock()
			r.mind(b, w)
			r.told.changed(b.id)
			return true, nil
		} else if err != nil {
			return false, err
		}
		if busy, err := locked(b.dir); !busy || err != nil {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-tick.C:
		}
	}
}
