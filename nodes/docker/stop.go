package docker

import (
	"context"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

const sigkill = "SIGKILL"

// Stop signals, waits and kills. The Engine's own "stop" is not used: before API
// 1.42 it takes no signal, and it counts the grace in whole seconds.
func (r *Runtime) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	err := r.attended(ctx, func(ctx context.Context) error { return r.stop(ctx, id, signal, grace) })
	return r.explain("stopping "+id, err)
}

func (r *Runtime) stop(ctx context.Context, id, signal string, grace time.Duration) error {
	box, err := r.find(ctx, id)
	if box == nil || err != nil {
		return err
	}
	defer r.seen.changed(box.ID)
	if box.State.Paused { // a frozen program takes no signal
		if _, err := r.api.ContainerUnpause(ctx, box.ID, client.ContainerUnpauseOptions{}); err != nil && !harmless(err) {
			return err
		}
	}
	if signal == "" {
		signal = "SIGTERM"
	}
	if grace > 0 {
		ended, err := r.endWithin(ctx, box.ID, signal, grace)
		if ended || err != nil {
			return err
		}
	}
	_, err = r.endWithin(ctx, box.ID, sigkill, 0)
	return err
}

// endWithin signals and waits; a limit of zero is none. It is false when the
// limit came first.
func (r *Runtime) endWithin(ctx context.Context, container, signal string, limit time.Duration) (ended bool, err error) {
	if signal == sigkill {
		r.seen.kills(container, true)
	}
	if _, err := r.api.ContainerKill(ctx, container, client.ContainerKillOptions{Signal: signal}); err != nil {
		if harmless(err) {
			return true, nil
		}
		return false, err
	}
	return r.awaitEnd(ctx, container, limit)
}

func (r *Runtime) awaitEnd(ctx context.Context, id string, limit time.Duration) (ended bool, err error) {
	var over <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		over = t.C
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := r.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-w.Result:
		return true, nil
	case err := <-w.Error:
		if harmless(err) {
			return true, nil
		}
		return false, err
	case <-over:
		return false, nil
	}
}

// harmless is the answer for a container that is not there, or does not run.
func harmless(err error) bool { return errdefs.IsNotFound(err) || errdefs.IsConflict(err) }

// Remove deletes an ended container and its log, and no volume.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	err := r.attended(ctx, func(ctx context.Context) error {
		box, err := r.find(ctx, id)
		if box == nil || err != nil {
			return err
		}
		defer r.seen.changed(box.ID)
		_, err = r.api.ContainerRemove(ctx, box.ID, client.ContainerRemoveOptions{})
		if errdefs.IsNotFound(err) {
			return nil
		}
		return err
	})
	return r.explain("removing "+id, err)
}

// find is this node's container of an ID, looked up by its one name; nil if
// there is none.
func (r *Runtime) find(ctx context.Context, id string) (*container.InspectResponse, error) {
	found, err := r.api.ContainerInspect(ctx, r.containerName(id), client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	box := &found.Container
	if !r.owns(box.Config.Labels) || box.Config.Labels[labelID] != id {
		return nil, nil
	}
	return box, nil
}
