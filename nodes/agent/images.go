package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// Images is what a [Runtime] may have beside containers: images that can be
// listed and cleared. A Node has it where its Runtime has.
type Images interface {
	// Images are those that the node keeps, the one used last first.
	Images(ctx context.Context) ([]nodes.Image, error)
	// PruneImages removes those that no container was made from and that nobody
	// asked for within unusedFor; 0 is every one.
	PruneImages(ctx context.Context, unusedFor time.Duration) (nodes.Pruned, error)
}

var _ Images = (*Agent)(nil)

var errNoImages = errors.New("this node's runtime does not tell of its images")

// Images are those that the node keeps.
func (a *Agent) Images(ctx context.Context) ([]nodes.Image, error) {
	r, ok := a.cfg.Runtime.(Images)
	if !ok {
		return nil, errNoImages
	}
	return r.Images(ctx)
}

// PruneImages removes images that nobody uses, and says so in the log.
func (a *Agent) PruneImages(ctx context.Context, unusedFor time.Duration) (nodes.Pruned, error) {
	r, ok := a.cfg.Runtime.(Images)
	if !ok {
		return nodes.Pruned{}, errNoImages
	}
	if unusedFor < 0 {
		return nodes.Pruned{}, fmt.Errorf("images unused for %s: want no time or a positive one", unusedFor)
	}
	p, err := r.PruneImages(ctx, unusedFor)
	a.log.Info("images pruned", "unused", unusedFor, "images", len(p.Images), "layers", p.Layers, "bytes", p.Bytes)
	return p, err
}
