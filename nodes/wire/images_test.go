package wire

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/nodes"
)

// keeper is a machine with images.
type keeper struct {
	*machine
	images []nodes.Image
	asked  time.Duration
	err    error
}

func (k *keeper) Images(context.Context) ([]nodes.Image, error) { return k.images, k.err }

func (k *keeper) PruneImages(_ context.Context, unusedFor time.Duration) (nodes.Pruned, error) {
	k.asked = unusedFor
	return nodes.Pruned{Images: []string{"sha256:1"}, Layers: 2, Bytes: 3}, k.err
}

func (c *cluster) keeper(name string, edit ...func(*ClientConfig)) *keeper {
	c.t.Helper()
	k := &keeper{machine: newMachine(name)}
	c.runs(c.client(c.join(name), edit...), k)
	c.see(name+" reports", func(s *nodes.Snapshot) bool { return s.Node(name) != nil })
	return k
}

func TestImages_ListAndPrune(t *testing.T) {
	c := newCluster(t, func(c *ServerConfig) { c.MaxMessage = 1 << 20 })
	k := c.keeper("n1")
	k.images = []nodes.Image{{Digest: "sha256:1", Names: []string{"r/web:1"}, Size: 1 << 40, Used: time.Unix(5, 0).UTC(), InUse: true}}
	got, err := c.server.Images(t.Context(), "n1")
	if err != nil || len(got) != 1 || got[0].Size != 1<<40 || !got[0].Used.Equal(k.images[0].Used) || !slices.Equal(got[0].Names, k.images[0].Names) {
		t.Errorf("got %+v, %v", got, err)
	}
	p, err := c.server.PruneImages(t.Context(), "n1", 3*time.Hour)
	if err != nil || k.asked != 3*time.Hour || p.Layers != 2 || p.Bytes != 3 || !slices.Equal(p.Images, []string{"sha256:1"}) {
		t.Errorf("got %+v, %v; asked for %v", p, err, k.asked)
	}
	k.images[0].Names[0] = strings.Repeat("x", 2<<20)
	_, err = c.server.Images(t.Context(), "n1")
	wantErr(t, err, "node n1: its answer is over the limit")
	k.err = errors.New("the disk is broken")
	_, err = c.server.Images(t.Context(), "n1")
	wantErr(t, err, "node n1: the disk is broken")
	_, err = c.server.PruneImages(t.Context(), "n9", 0)
	wantErr(t, err, "node n9: it is not connected")
	c.idle(t)
}

// I37: an agent from before images is told from one that has none.
func TestImages_OfWhoCannotTell(t *testing.T) {
	c := newCluster(t)
	c.keeper("old", func(cfg *ClientConfig) { cfg.plain = true })
	_, err := c.server.Images(t.Context(), "old")
	wantErr(t, err, "node old: its agent is too old to tell of images: upgrade it")
	if !errdefs.IsFailedPrecondition(err) {
		t.Errorf("%v has no kind", err)
	}
	c.node("n1")
	_, err = c.server.Images(t.Context(), "n1")
	wantErr(t, err, "node n1: this agent does not tell of images")
}
