package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes/agent"
)

// Start creates, starts and looks once: three calls. Only where the container
// is there already it looks before.
func (r *Runtime) Start(ctx context.Context, c agent.Container) (s agent.Status, err error) {
	err = r.attended(ctx, func(ctx context.Context) error {
		s, err = r.start(ctx, c)
		return err
	})
	if err != nil {
		return agent.Status{}, r.explainStart(c, err)
	}
	return s, nil
}

func (r *Runtime) start(ctx context.Context, c agent.Container) (agent.Status, error) {
	spec, err := r.spec(c)
	if err != nil {
		return agent.Status{}, err
	}
	r.warnOfSizes(c)
	defer r.seen.begins(c.ID)()
	created, err := r.api.ContainerCreate(ctx, spec)
	if errdefs.IsConflict(err) {
		return r.startAgain(ctx, c, spec)
	}
	if err != nil {
		return agent.Status{}, err
	}
	return r.run(ctx, created.ID)
}

// warnOfSizes tells of volumes that should be bounded, which is the Engine's own
// volumes' to do and is beyond most.
func (r *Runtime) warnOfSizes(c agent.Container) {
	for _, name := range slices.Sorted(maps.Keys(c.Workload.Volumes)) {
		if v := c.Workload.Volumes[name]; v.Size > 0 {
			r.cfg.Log.Warn("a volume without a bound: Docker has none for it", "workload", c.Workload.Name, "slot", c.Slot.String(),
				"volume", name, "size", v.Size.String())
		}
	}
}

// startAgain is for a container that is there: what runs is left alone, what was
// made for other host ports, or knows its fellows at other places, is made anew.
func (r *Runtime) startAgain(ctx context.Context, c agent.Container, spec client.ContainerCreateOptions) (agent.Status, error) {
	found, err := r.api.ContainerInspect(ctx, spec.Name, client.ContainerInspectOptions{})
	if err != nil {
		return agent.Status{}, err
	}
	box := found.Container
	if !r.owns(box.Config.Labels) || box.Config.Labels[labelID] != c.ID {
		return agent.Status{}, fmt.Errorf("the name %s belongs to a container of someone else: rename that one", spec.Name)
	}
	if box.State.Running {
		return r.statusOf(ctx, &box), nil
	}
	if box.Config.Labels[labelPorts] == spec.Config.Labels[labelPorts] && box.Config.Labels[labelPeers] == spec.Config.Labels[labelPeers] {
		return r.run(ctx, box.ID)
	}
	if _, err := r.api.ContainerRemove(ctx, box.ID, client.ContainerRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
		return agent.Status{}, err
	}
	created, err := r.api.ContainerCreate(ctx, spec)
	if err != nil {
		return agent.Status{}, err
	}
	return r.run(ctx, created.ID)
}

// run begins a life and looks at it, so that the next List need not.
func (r *Runtime) run(ctx context.Context, container string) (agent.Status, error) {
	r.seen.kills(container, false)
	_, err := r.api.ContainerStart(ctx, container, client.ContainerStartOptions{})
	r.seen.changed(container)
	if err != nil {
		return agent.Status{}, err
	}
	s, err := r.look(ctx, container)
	if err != nil {
		return agent.Status{}, err
	}
	if s == nil {
		return agent.Status{}, fmt.Errorf("container %s was removed by someone as it started: %w", container, errdefs.ErrNotFound)
	}
	return *s, nil
}
