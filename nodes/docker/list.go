package docker

import (
	"context"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/bayplan/bayplan/nodes/agent"
)

// inspections is how many containers are looked at side by side: the Engine
// answers in about a millisecond each.
const inspections = 8

// List is one list, and a look at each container that changed since the last.
func (r *Runtime) List(ctx context.Context) (all []agent.Status, err error) {
	err = r.attended(ctx, func(ctx context.Context) error {
		all, err = r.list(ctx)
		return err
	})
	return all, r.explain("listing containers", err)
}

func (r *Runtime) list(ctx context.Context) ([]agent.Status, error) {
	found, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: r.mine()})
	if err != nil {
		return nil, err
	}
	found.Items = slices.DeleteFunc(found.Items, func(item container.Summary) bool { return !r.named(&item) })
	r.seen.keep(found.Items)
	all := make([]*agent.Status, len(found.Items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspections)
	for i, item := range found.Items {
		s, ok := r.seen.status(&item)
		if !ok {
			s, ok = r.starting(&item)
		}
		if ok {
			all[i] = s
			continue
		}
		g.Go(func() (err error) {
			all[i], err = r.look(ctx, item.ID)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return sorted(all), nil
}

// named is whether a listed container bears the name of its instance. One that
// was made from a copy of ours ("docker commit") has our labels and another
// name: it is somebody else's.
func (r *Runtime) named(item *container.Summary) bool {
	return slices.Contains(item.Names, "/"+r.containerName(item.Labels[labelID]))
}

// starting is a container that a Start is at work on, from the list alone. The
// Engine says no more about it until it runs: to ask would hold up the List for
// as long as the Start takes, and the ends of other containers with it.
func (r *Runtime) starting(item *container.Summary) (*agent.Status, bool) {
	if item.State == container.StateRunning || !r.seen.starting(item.Labels[labelID]) {
		return nil, false
	}
	s := labelled(item.ID, item.Labels)
	return &s, true
}

// look inspects one; nil if it went away meanwhile.
func (r *Runtime) look(ctx context.Context, container string) (*agent.Status, error) {
	mark := r.seen.mark(container)
	found, err := r.api.ContainerInspect(ctx, container, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := r.settle(ctx, &found.Container); err != nil {
		return nil, err
	}
	s := r.statusOf(ctx, &found.Container)
	r.seen.learn(container, mark, s, found.Container.State.Status)
	return &s, nil
}

func sorted(found []*agent.Status) []agent.Status {
	all := make([]agent.Status, 0, len(found))
	for _, s := range found {
		if s != nil {
			all = append(all, *s)
		}
	}
	slices.SortFunc(all, func(a, b agent.Status) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// stateOf maps the Engine's seven states; a paused container is one that runs
// and does not get on.
func stateOf(s *container.State) agent.State {
	switch s.Status {
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return agent.StateRunning
	case container.StateCreated:
		return agent.StateCreated
	}
	return agent.StateExited
}
