package docker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

var _ agent.Images = (*Runtime)(nil)

// Images are those that this node's containers were made from, so all of them
// are in use: what else the Engine has may be anyone's, and the Engine does not
// tell when it was asked for.
func (r *Runtime) Images(ctx context.Context) (all []nodes.Image, err error) {
	err = r.attended(ctx, func(ctx context.Context) error {
		all, err = r.images(ctx)
		return err
	})
	return all, r.explain("listing images", err)
}

func (r *Runtime) images(ctx context.Context) ([]nodes.Image, error) {
	found, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: r.mine()})
	if err != nil {
		return nil, err
	}
	var all []nodes.Image
	for _, id := range imagesOf(found.Items) {
		i, err := r.api.ImageInspect(ctx, id)
		if errdefs.IsNotFound(err) {
			continue // removed by force under a container that goes on
		}
		if err != nil {
			return nil, err
		}
		all = append(all, imageOf(&i.InspectResponse))
	}
	slices.SortFunc(all, func(a, b nodes.Image) int { return cmp.Compare(a.Digest, b.Digest) })
	return all, nil
}

// imagesOf are the Engine's identifiers of the containers' images, each once.
func imagesOf(items []container.Summary) (ids []string) {
	for i := range items {
		ids = append(ids, items[i].ImageID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// imageOf names an image by the digest that it was pulled by; one that was never
// pulled has only the Engine's.
func imageOf(i *image.InspectResponse) nodes.Image {
	m := nodes.Image{Digest: i.ID, Names: []string{}, Size: i.Size, InUse: true}
	if len(i.RepoDigests) > 0 {
		_, m.Digest, _ = strings.Cut(i.RepoDigests[0], "@")
	}
	m.Names = append(append(m.Names, i.RepoTags...), i.RepoDigests...)
	slices.Sort(m.Names)
	m.Created, _ = time.Parse(time.RFC3339Nano, i.Created) // zero where it does not tell
	return m
}

var errNotOurs = errors.New("its images belong to a Docker Engine, which others may use too: remove them there, with `docker image prune`")

// PruneImages refuses: an image that this node does not need may be another's.
func (r *Runtime) PruneImages(context.Context, time.Duration) (nodes.Pruned, error) {
	return nodes.Pruned{}, errNotOurs
}
