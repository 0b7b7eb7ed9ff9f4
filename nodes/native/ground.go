package native

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/archive"
	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/schema"
)

// Archives is what is needed of [archive.Store].
type Archives interface {
	Pull(ctx context.Context, a schema.Artifact) error
	Use(a schema.Artifact) (tree archive.Tree, release func(), err error)
	Fetched(a schema.Artifact) (done, total int64, ok bool)
	List(ctx context.Context) ([]archive.Entry, error)
	Prune(ctx context.Context, unusedFor time.Duration) ([]archive.Entry, error)
}

// ground is what a container stands on: an image, an archive over it, or an
// archive over a view of the machine.
type ground struct {
	image images.Image
	// tree is the archive's key; "" is none.
	tree   string
	mounts []bundle.Mount
	// release ends the hold on all of it.
	release func()
}

// groundOf finds what must have been pulled.
func (r *Runtime) groundOf(c agent.Container) (ground, error) {
	g, err := r.base(c)
	if err != nil || c.Workload.Artifact == nil {
		return g, err
	}
	if err := g.put(r.cfg.Archives, c.Workload.Artifact); err != nil {
		g.release()
		return ground{}, err
	}
	return g, nil
}

func (r *Runtime) base(c agent.Container) (ground, error) {
	w := c.Workload
	if c.Image() == "" && w.Artifact != nil {
		return r.view(w)
	}
	image, release, err := r.cfg.Images.Use(c.Image())
	return ground{image: image, release: release}, err
}

// put lays an archive over what is there. The program starts in its folder.
func (g *ground) put(archives Archives, a *schema.Artifact) error {
	if archives == nil {
		return errNoArchives
	}
	tree, release, err := archives.Use(*a)
	if err != nil {
		return err
	}
	for _, m := range g.mounts {
		if m.Target == a.Folder() || strings.HasPrefix(a.Folder(), m.Target+"/") {
			release()
			return fail(nodes.StartFailed, nil, "its artifact cannot lie at %s: on this node %s is the machine's", a.Folder(), m.Target)
		}
	}
	below := g.release
	g.release = func() { release(); below() }
	g.tree = tree.Key
	g.image.Layers = append(slices.Clone(g.image.Layers), tree.Layer)
	g.image.Config.WorkingDir = a.Folder()
	return nil
}

var errNoArchives = fail(nodes.StartFailed, nil, "this node keeps no archives")

// pullArchive is Pull for what is no image.
func (r *Runtime) pullArchive(ctx context.Context, a schema.Artifact) error {
	if r.cfg.Archives == nil {
		return errNoArchives
	}
	return r.cfg.Archives.Pull(ctx, a)
}

// ArchivesInUse are the keys of the archives that containers lie over, for their
// store.
func (r *Runtime) ArchivesInUse(ctx context.Context) ([]string, error) {
	boxes, err := r.all(ctx)
	if err != nil {
		return nil, fmt.Errorf("archives in use: %w", err)
	}
	var all []string
	for _, b := range boxes {
		b.mu.Lock()
		if b.cfg.Archive != "" {
			all = append(all, b.cfg.Archive)
		}
		b.mu.Unlock()
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
