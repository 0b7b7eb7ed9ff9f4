package docker

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/bayplan/bayplan/schema"
)

// RemoveVolumes deletes the volumes that have the slot's label and its very
// names: nothing else that somebody may have labelled so.
func (r *Runtime) RemoveVolumes(ctx context.Context, slot schema.Slot) error {
	err := r.attended(ctx, func(ctx context.Context) error { return r.removeVolumes(ctx, slot) })
	return r.explain("deleting the volumes of "+slot.String(), err)
}

func (r *Runtime) removeVolumes(ctx context.Context, slot schema.Slot) error {
	mine := client.Filters{}.Add("label", labelCluster+"="+r.cfg.Cluster, labelNode+"="+r.cfg.Node, labelSlot+"="+slot.String())
	boxes, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
	if err != nil {
		return err
	}
	if len(boxes.Items) > 0 {
		return fmt.Errorf("a container of %s is still there", slot)
	}
	found, err := r.api.VolumeList(ctx, client.VolumeListOptions{Filters: mine})
	if err != nil {
		return err
	}
	for _, v := range found.Items {
		if v.Name != r.volumeName(slot, v.Labels[labelVolume]) {
			continue
		}
		if _, err := r.api.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	return nil
}
