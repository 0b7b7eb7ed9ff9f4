package serve_test

import (
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/fakecluster"
)

func imagesCluster() *fakecluster.Cluster {
	fc := fakecluster.New(epoch, "n1", "n2", "n3")
	fc.SetImages("n1", nodes.Image{Digest: "sha256:1", Used: epoch.Add(-time.Hour)}, nodes.Image{Digest: "sha256:2", InUse: true})
	fc.SetImages("n3", nodes.Image{Digest: "sha256:3", Used: epoch.Add(-48 * time.Hour), Size: 7})
	return fc
}

func TestImages_OfOneAndOfAll(t *testing.T) {
	c := start(t, imagesCluster())
	r, err := c.Images(t.Context(), connect.NewRequest(&controlpb.ImagesRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(r.Msg.Json), "null") {
		t.Errorf("lists are null: %s", r.Msg.Json)
	}
	doc := decode[status.Images](t, r.Msg)
	var got []string
	for _, i := range doc.Images {
		got = append(got, i.Node+" "+i.Digest)
	}
	if s := strings.Join(got, ","); s != "n1 sha256:1,n1 sha256:2,n3 sha256:3" || doc.Schema != status.Schema {
		t.Errorf("got %s %s", doc.Schema, s)
	}
	if len(doc.Failed) != 1 || doc.Failed[0].Node != "n2" || !strings.Contains(doc.Failed[0].Text, "not connected") {
		t.Errorf("failed: %+v", doc.Failed)
	}
	_, err = c.Images(t.Context(), connect.NewRequest(&controlpb.ImagesRequest{Node: "n2"}))
	wantCode(t, err, connect.CodeFailedPrecondition, "node n2: it is not connected")
	_, err = c.Images(t.Context(), connect.NewRequest(&controlpb.ImagesRequest{Node: "n7"}))
	wantCode(t, err, connect.CodeNotFound, "there is no node n7")
}

// I39: who asked is recorded before anything is done, and what cannot be done
// at all is not recorded.
func TestPruneImages_IsRecordedWithItsActor(t *testing.T) {
	fc := imagesCluster()
	c := start(t, fc)
	prune := func(node string, unused int64) (*status.Pruning, error) {
		r, err := c.PruneImages(t.Context(), connect.NewRequest(&controlpb.PruneImagesRequest{Node: node, UnusedSeconds: unused, Actor: "ann@laptop"}))
		if err != nil {
			return nil, err
		}
		doc := decode[status.Pruning](t, r.Msg)
		return &doc, nil
	}
	for _, x := range []struct {
		node   string
		unused int64
		code   connect.Code
		text   string
	}{
		{"n7", 0, connect.CodeNotFound, "there is no node n7"},
		{"n1", -1, connect.CodeInvalidArgument, "want no time or a positive one"},
		{"n1", 1 << 60, connect.CodeInvalidArgument, "want no time or a positive one"},
	} {
		_, err := prune(x.node, x.unused)
		wantCode(t, err, x.code, x.text)
	}
	if events, _ := fc.Events(0); len(events) != 0 {
		t.Errorf("recorded: %+v", events)
	}
	doc, err := prune("", 24*3600)
	if err != nil || len(doc.Nodes) != 2 || len(doc.Nodes[0].Images) != 0 || doc.Nodes[1].Node != "n3" || doc.Nodes[1].Bytes != 7 || len(doc.Failed) != 1 {
		t.Fatalf("got %+v, %v", doc, err)
	}
	if doc, err = prune("n1", 0); err != nil || len(doc.Nodes[0].Images) != 1 || doc.Nodes[0].Images[0] != "sha256:1" {
		t.Errorf("got %+v, %v", doc, err)
	}
	events, _ := fc.Events(0)
	want := []string{"images unused for 24h of every node removed by ann@laptop (certificate admin)", "all unused images of n1 removed by ann@laptop (certificate admin)"}
	if len(events) != 2 || events[0].Text != want[0] || events[1].Text != want[1] || events[1].Node != "n1" ||
		events[0].Actor != "ann@laptop (certificate admin)" || events[0].Kind != "operator" {
		t.Errorf("got %+v", events)
	}
}
