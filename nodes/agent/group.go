package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// groups is a Runtime in which what a slot consists of, one container or
// several, is one: Step sees one container an instance. It remembers nothing
// that the runtime below does not tell: the parts' IDs say what they are.
type groups struct {
	Runtime
	mu sync.Mutex
	// mains are the groups that are of several containers, as last seen or begun,
	// with the ID of the main one where there is one. What is not among them is a
	// container by itself, and nobody else is asked about it.
	mains map[string]string
	// news is closed when something changed.
	news chan struct{}
}

func newGroups(r Runtime) *groups {
	return &groups{Runtime: r, mains: map[string]string{}, news: make(chan struct{})}
}

// List is every group as one container.
func (g *groups) List(ctx context.Context) ([]Status, error) {
	all, err := g.Runtime.List(ctx)
	if err != nil {
		return nil, err
	}
	grouped := together(all)
	list, mains := make([]Status, len(grouped)), map[string]string{}
	for i, members := range grouped {
		list[i] = members.status()
		if len(members) > 1 || members[0].role != onlyPart {
			mains[list[i].ID] = members.mainID()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mains = mains
	return list, nil
}

// several is whether a group is of several containers.
func (g *groups) several(id string) (main string, is bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	main, is = g.mains[id]
	return main, is
}

func (g *groups) begins(id, main string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mains[id] = main
}

// members are what there is of one group.
func (g *groups) members(ctx context.Context, id string) (members, error) {
	all, err := g.Runtime.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, members := range together(all) {
		if members.id() == id {
			return members, nil
		}
	}
	return nil, nil
}

// Start brings the group forward as far as it goes without waiting: while an
// init container runs it is preparing, and another Start goes on from there.
func (g *groups) Start(ctx context.Context, c Container) (Status, error) {
	if !c.Workload.IsGroup() {
		return g.Runtime.Start(ctx, c)
	}
	g.begins(c.ID, "")
	has, err := g.members(ctx, c.ID)
	if err != nil {
		return Status{}, err
	}
	for next := has.next(c.Workload); next != nil; next = has.next(c.Workload) {
		s, err := g.Runtime.Start(ctx, next.container(c))
		if err != nil {
			return Status{}, next.explain(err)
		}
		has = has.with(s)
	}
	g.begins(c.ID, has.mainID())
	return has.status(), nil
}

// Stop ends the main container, and then what is beside it.
func (g *groups) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	if _, is := g.several(id); !is {
		return g.Runtime.Stop(ctx, id, signal, grace)
	}
	has, err := g.members(ctx, id)
	if err != nil {
		return err
	}
	for i := range has {
		if m := &has[i]; m.State == StateRunning && (m.role == mainPart || m.role == initPart) {
			err = errors.Join(err, g.Runtime.Stop(ctx, m.Status.ID, signal, grace))
		}
	}
	var rest sync.WaitGroup
	failed := make([]error, len(has))
	for i := range has {
		if m := &has[i]; m.State == StateRunning && m.role == sidePart {
			rest.Go(func() { failed[i] = g.Runtime.Stop(ctx, m.Status.ID, signal, min(grace, restGrace)) })
		}
	}
	rest.Wait()
	return errors.Join(append(failed, err)...)
}

// restGrace is for sidecars: what they serve has ended.
const restGrace = 10 * time.Second

// Lease is every running member's, where the runtime keeps leases.
func (g *groups) Lease(ctx context.Context, id string, l *Lease) error {
	lessor, is := g.Runtime.(Lessor)
	if !is {
		return nil
	}
	has, err := g.members(ctx, id)
	for i := range has {
		if m := &has[i]; m.State == StateRunning {
			err = errors.Join(err, lessor.Lease(ctx, m.Status.ID, l))
		}
	}
	return err
}

// Remove deletes all of the group.
func (g *groups) Remove(ctx context.Context, id string) error {
	if _, is := g.several(id); !is {
		return g.Runtime.Remove(ctx, id)
	}
	has, err := g.members(ctx, id)
	if err != nil {
		return err
	}
	// What tells that the post-stop has run goes last.
	for _, last := range []bool{false, true} {
		for i := range has {
			if err == nil && last == (has[i].role == postPart) {
				err = g.Runtime.Remove(ctx, has[i].Status.ID)
			}
		}
	}
	return err
}

// Finish runs the workload's post-stop once, after all else has ended.
func (g *groups) Finish(ctx context.Context, c Container) error {
	if c.Workload.PostStop == nil {
		return nil
	}
	has, err := g.members(ctx, c.ID)
	if err != nil {
		return err
	}
	last := has.last(c.Workload)
	if last == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.Workload.PostStop.Timeout.D())
	defer cancel()
	in := last.container(c)
	if err = g.Pull(ctx, in.Image()); err == nil {
		_, err = g.Runtime.Start(ctx, in)
	}
	if err == nil {
		err = g.await(ctx, c.ID, in.ID)
	}
	stop := g.Runtime.Stop(context.WithoutCancel(ctx), in.ID, "SIGKILL", 0)
	return errors.Join(last.explain(err), stop)
}

// await waits for a container's end, which is an error where it is not 0.
func (g *groups) await(ctx context.Context, group, id string) error {
	for {
		news := g.changed()
		has, err := g.members(ctx, group)
		if err != nil {
			return err
		}
		m := has.find(id)
		switch {
		case m == nil:
			return errors.New("it was removed by someone else")
		case m.State == StateExited && m.ExitCode == 0:
			return nil
		case m.State == StateExited:
			f := exitFailure(&m.Status)
			return errors.New(f.Text)
		}
		select {
		case <-news:
		case <-time.After(listPauseMax): // while nobody watches
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *groups) changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.news
}

// Watch tells of groups.
func (g *groups) Watch(ctx context.Context, changed func(id string)) error {
	return g.Runtime.Watch(ctx, func(id string) {
		g.mu.Lock()
		close(g.news)
		g.news = make(chan struct{})
		g.mu.Unlock()
		changed(groupOf(id))
	})
}

// part is the ID of the container that people mean: "ID" is the main one's,
// "ID+NAME" that of another.
func (g *groups) part(ctx context.Context, id string) (string, error) {
	group, name, one := cutPart(id)
	if !one || name == schema.MainPart {
		if main, is := g.several(group); !is || main != "" {
			return cmp.Or(main, group), nil
		}
	}
	has, err := g.members(ctx, group)
	if err != nil {
		return "", err
	}
	if !one || name == schema.MainPart {
		return has.begun(group)
	}
	for i := range has {
		if has[i].name == name && has[i].role != mainPart {
			return has[i].Status.ID, nil
		}
	}
	return "", fmt.Errorf("there is no container %q in %s, only %s", name, group, has.names())
}

// Logs are the main container's, or another's.
func (g *groups) Logs(ctx context.Context, id string, o LogOptions, w io.Writer) error {
	id, err := g.part(ctx, id)
	if err != nil {
		return err
	}
	return g.Runtime.Logs(ctx, id, o, w)
}

// Exec is in the main container, or in another.
func (g *groups) Exec(ctx context.Context, id string, e Exec) (int, error) {
	id, err := g.part(ctx, id)
	if err != nil {
		return 0, err
	}
	return g.Runtime.Exec(ctx, id, e)
}

// explain says of which part an error tells.
func (p *piece) explain(err error) error {
	if err == nil || p.part == nil {
		return err
	}
	var e *Error
	if errors.As(err, &e) {
		f := e.Failure
		f.Text = nodes.CutText(p.String() + ": " + f.Text)
		return &Error{Failure: f, Err: err}
	}
	return fmt.Errorf("%s: %w", p, err)
}
