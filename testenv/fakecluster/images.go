package fakecluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// SetImages gives a node its images.
func (c *Cluster) SetImages(node string, all ...nodes.Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.images == nil {
		c.images = map[string][]nodes.Image{}
	}
	c.images[node] = all
}

// NoImages lets the node answer no question about images.
func (c *Cluster) NoImages(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.images, node)
}

// Images are a node's, if SetImages gave it any.
func (c *Cluster) Images(_ context.Context, node string) ([]nodes.Image, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, ok := c.images[node]
	if !ok {
		return nil, fmt.Errorf("node %s: it is not connected: see `bayplan node ls`", node)
	}
	return slices.Clone(all), nil
}

// PruneImages removes those that are not in use and were not used for so long
// by the cluster's clock; each has one layer.
func (c *Cluster) PruneImages(_ context.Context, node string, unusedFor time.Duration) (nodes.Pruned, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, ok := c.images[node]
	if !ok {
		return nodes.Pruned{}, fmt.Errorf("node %s: it is not connected: see `bayplan node ls`", node)
	}
	var p nodes.Pruned
	c.images[node] = slices.DeleteFunc(all, func(i nodes.Image) bool {
		if i.InUse || c.now.Sub(i.Used) < unusedFor {
			return false
		}
		p.Images, p.Layers, p.Bytes = append(p.Images, i.Digest), p.Layers+1, p.Bytes+i.Size
		return true
	})
	return p, nil
}
