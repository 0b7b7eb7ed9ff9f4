package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
)

// ImagesRequest asks a node for its images, or to prune them; the answer comes
// on stdout: []nodes.Image or nodes.Pruned, JSON.
type ImagesRequest struct {
	Prune bool `json:"prune,omitempty"`
	// UnusedFor is agent.Images' own, in nanoseconds.
	UnusedFor time.Duration `json:"unusedFor,omitempty"`
}

// Images are those that the node keeps.
func (s *Server) Images(ctx context.Context, node string) (all []nodes.Image, err error) {
	err = s.askImages(ctx, node, ImagesRequest{}, &all)
	return all, err
}

// PruneImages removes images of the node that nobody uses; see agent.Images.
func (s *Server) PruneImages(ctx context.Context, node string, unusedFor time.Duration) (p nodes.Pruned, err error) {
	err = s.askImages(ctx, node, ImagesRequest{Prune: true, UnusedFor: unusedFor}, &p)
	return p, err
}

func (s *Server) askImages(ctx context.Context, node string, req ImagesRequest, answer any) error {
	if err := s.knowsImages(node); err != nil {
		return err
	}
	out := &bounded{most: s.cfg.MaxMessage}
	if _, err := s.console(ctx, node, ConsoleRequest{Images: &req}, agent.Exec{Stdout: out}); err != nil {
		return err
	}
	if err := json.Unmarshal(out.Bytes(), answer); err != nil {
		return fmt.Errorf("node %s: its answer: %w", node, err)
	}
	return nil
}

// knowsImages refuses a node whose agent is older than the request.
func (s *Server) knowsImages(node string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.sessions[node]; e != nil && !e.images {
		return errdefs.ErrFailedPrecondition.WithMessage("node " + node + ": its agent is too old to tell of images: upgrade it")
	}
	return nil
}

// bounded refuses an answer that is larger than a message may be.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		return 0, fmt.Errorf("its answer is over the limit of %d bytes", b.most)
	}
	return b.Buffer.Write(p)
}

var errNoImages = errors.New("this agent does not tell of images")

// images answers on the node.
func (r *ImagesRequest) images(ctx context.Context, n agent.Node, out io.Writer) error {
	k, ok := n.(agent.Images)
	if !ok {
		return errNoImages
	}
	var answer any
	var err error
	if r.Prune {
		answer, err = k.PruneImages(ctx, r.UnusedFor)
	} else {
		answer, err = k.Images(ctx)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(answer)
}
