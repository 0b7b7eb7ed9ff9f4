package native

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes/agent"
)

// List asks nobody: every change is known as it happens.
func (r *Runtime) List(ctx context.Context) ([]agent.Status, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	boxes, err := r.all(ctx)
	if err != nil {
		return nil, explain("listing containers", err)
	}
	all := make([]agent.Status, 0, len(boxes))
	for _, b := range boxes {
		if b.exists() {
			s := b.status()
			s.Full = r.full(b.config())
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b agent.Status) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// ImagesInUse are the digests of the images that containers were made from, for
// the image store.
func (r *Runtime) ImagesInUse(ctx context.Context) ([]string, error) {
	boxes, err := r.all(ctx)
	if err != nil {
		return nil, explain("images in use", err)
	}
	var all []string
	for _, b := range boxes {
		b.mu.Lock()
		if b.cfg.Image != "" {
			all = append(all, b.cfg.Image)
		}
		b.mu.Unlock()
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
