package serve

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// Images are those that one node keeps, or all do.
func (s *server) Images(ctx context.Context, r *connect.Request[controlpb.ImagesRequest]) (*connect.Response[controlpb.Document], error) {
	found, failed, err := onNodes(s, r.Msg.Node, func(node string) ([]nodes.Image, error) { return s.Consoles.Images(ctx, node) })
	if err != nil {
		return nil, err
	}
	doc := status.Images{Schema: status.Schema, Images: []status.Image{}, Failed: failed}
	for _, f := range found {
		for _, i := range f.answer {
			if i.Names == nil {
				i.Names = []string{}
			}
			doc.Images = append(doc.Images, status.Image{Node: f.node, Image: i})
		}
	}
	return document(doc)
}

// PruneImages removes images that nobody uses, once it is recorded who asked.
func (s *server) PruneImages(ctx context.Context, r *connect.Request[controlpb.PruneImagesRequest]) (*connect.Response[controlpb.Document], error) {
	unused := time.Duration(r.Msg.UnusedSeconds) * time.Second
	if r.Msg.UnusedSeconds < 0 || unused/time.Second != time.Duration(r.Msg.UnusedSeconds) {
		return nil, invalid("images unused for %ds: want no time or a positive one", r.Msg.UnusedSeconds)
	}
	if _, err := s.nodesNamed(r.Msg.Node); err != nil {
		return nil, err
	}
	actor := callerOf(ctx).actor(r.Msg.Actor)
	if err := s.Cluster.Note(ctx, r.Msg.Node, actor, pruneText(r.Msg.Node, actor, unused)); err != nil {
		return nil, coded(err, connect.CodeUnavailable)
	}
	s.Log.Info("images pruned", "node", r.Msg.Node, "unused", unused, "actor", actor)
	done, failed, err := onNodes(s, r.Msg.Node, func(node string) (nodes.Pruned, error) { return s.Consoles.PruneImages(ctx, node, unused) })
	if err != nil {
		return nil, err
	}
	doc := status.Pruning{Schema: status.Schema, Nodes: []status.Pruned{}, Failed: failed}
	for _, d := range done {
		if d.answer.Images == nil {
			d.answer.Images = []string{}
		}
		doc.Nodes = append(doc.Nodes, status.Pruned{Node: d.node, Pruned: d.answer})
	}
	return document(doc)
}

func pruneText(node, actor string, unused time.Duration) string {
	if node == "" {
		node = "every node"
	}
	what := "all unused images"
	if unused > 0 {
		what = "images unused for " + schema.Duration(unused).String()
	}
	return fmt.Sprintf("%s of %s removed by %s", what, node, actor)
}

// asking is how many nodes are asked at once.
const asking = 16

// told is what one node answered.
type told[T any] struct {
	node   string
	answer T
}

// onNodes asks one node, or all side by side. What one node does not answer is
// the call's error; of many, each that does not is listed.
func onNodes[T any](s *server, name string, ask func(node string) (T, error)) (answers []told[T], failed []status.NodeFailure, err error) {
	names, err := s.nodesNamed(name)
	if err != nil {
		return nil, nil, err
	}
	got, errs := make([]T, len(names)), make([]error, len(names))
	var g errgroup.Group
	g.SetLimit(asking)
	for i, node := range names {
		g.Go(func() error {
			got[i], errs[i] = ask(node)
			return nil
		})
	}
	_ = g.Wait() // each has its own error
	failed = []status.NodeFailure{}
	for i, node := range names {
		if errs[i] != nil && name != "" {
			return nil, nil, coded(errs[i], connect.CodeFailedPrecondition)
		}
		if errs[i] != nil {
			failed = append(failed, status.NodeFailure{Node: node, Text: errs[i].Error()})
			continue
		}
		answers = append(answers, told[T]{node, got[i]})
	}
	return answers, failed, nil
}

// nodesNamed is the node of that name, or every one for "".
func (s *server) nodesNamed(name string) (names []string, err error) {
	st, _ := s.Cluster.Status()
	for i := range st.Nodes {
		if name == "" || st.Nodes[i].Name == name {
			names = append(names, st.Nodes[i].Name)
		}
	}
	if name != "" && names == nil {
		return nil, notFound("there is no node %s; see: bayplan node ls", name)
	}
	return names, nil
}
