package native

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

var (
	_ agent.Images     = (*Runtime)(nil)
	_ agent.Registries = (*Runtime)(nil)
)

// Images are those of the node's stores, archives among them, the one used last
// first.
func (r *Runtime) Images(ctx context.Context) ([]nodes.Image, error) {
	found, err := r.cfg.Images.List(ctx)
	if err != nil {
		return nil, explain("listing images", err)
	}
	all := make([]nodes.Image, 0, len(found))
	for _, e := range found {
		all = append(all, nodes.Image{Digest: e.Digest, Names: append([]string{}, e.Names...), Size: e.Size, Created: e.Created, Used: e.Used, InUse: e.InUse})
	}
	if r.cfg.Archives == nil {
		return all, nil
	}
	trees, err := r.cfg.Archives.List(ctx)
	if err != nil {
		return nil, explain("listing archives", err)
	}
	for _, e := range trees {
		all = append(all, nodes.Image{Digest: "sha256:" + e.SHA256, Names: []string{e.URL}, Archive: e.Format, Size: e.Bytes, Used: e.Used, InUse: e.InUse})
	}
	slices.SortStableFunc(all, func(a, b nodes.Image) int { return b.Used.Compare(a.Used) })
	return all, nil
}

// PruneImages clears the node's stores.
func (r *Runtime) PruneImages(ctx context.Context, unusedFor time.Duration) (nodes.Pruned, error) {
	p, err := r.cfg.Images.Prune(ctx, unusedFor)
	all := nodes.Pruned{Images: p.Images, Layers: p.Layers, Bytes: p.Bytes}
	err = explain("clearing images", err)
	if r.cfg.Archives == nil {
		return all, err
	}
	gone, archivesErr := r.cfg.Archives.Prune(ctx, unusedFor)
	for _, e := range gone {
		all.Images, all.Bytes = append(all.Images, "sha256:"+e.SHA256), all.Bytes+e.Bytes
	}
	return all, errors.Join(err, explain("clearing archives", archivesErr))
}

// UseRegistries is for the pulls that begin from now on.
func (r *Runtime) UseRegistries(all []schema.Registry) { r.cfg.Images.SetRegistries(all) }
