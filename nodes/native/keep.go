package native

import (
	"context"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

var (
	_ agent.Images     = (*Runtime)(nil)
	_ agent.Registries = (*Runtime)(nil)
)

// Images are those of the node's store.
func (r *Runtime) Images(ctx context.Context) ([]nodes.Image, error) {
	found, err := r.cfg.Images.List(ctx)
	if err != nil {
		return nil, explain("listing images", err)
	}
	all := make([]nodes.Image, 0, len(found))
	for _, e := range found {
		all = append(all, nodes.Image{Digest: e.Digest, Names: append([]string{}, e.Names...), Size: e.Size, Created: e.Created, Used: e.Used, InUse: e.InUse})
	}
	return all, nil
}

// PruneImages clears the node's store.
func (r *Runtime) PruneImages(ctx context.Context, unusedFor time.Duration) (nodes.Pruned, error) {
	p, err := r.cfg.Images.Prune(ctx, unusedFor)
	return nodes.Pruned{Images: p.Images, Layers: p.Layers, Bytes: p.Bytes}, explain("clearing images", err)
}

// UseRegistries is for the pulls that begin from now on.
func (r *Runtime) UseRegistries(all []schema.Registry) { r.cfg.Images.SetRegistries(all) }
