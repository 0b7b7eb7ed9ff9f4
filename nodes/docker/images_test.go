package docker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/docker"
)

// Only what this node's containers were made from is listed, each once, and
// nothing is ever removed.
func TestImages_OnlyThoseOfItsContainers(t *testing.T) {
	a := newAPI(t, "1.41")
	a.handlers["GET containers/json"] = answer([]map[string]any{{"Id": "c1", "ImageID": "sha256:b"}, {"Id": "c2", "ImageID": "sha256:b"}, {"Id": "c3", "ImageID": "sha256:gone"}})
	digest := "sha256:" + strings.Repeat("d", 64)
	a.handlers["GET images/sha256:b/json"] = answer(map[string]any{"Id": "sha256:b", "RepoTags": []string{"shop/web:1"},
		"RepoDigests": []string{"shop/web@" + digest}, "Size": 1 << 40, "Created": "2026-03-01T12:00:00.5Z"})
	r, err := docker.New(docker.Config{Host: a.host, Cluster: "c", Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Images(t.Context())
	if err != nil || len(got) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	made := time.Date(2026, 3, 1, 12, 0, 0, 5e8, time.UTC)
	if i := got[0]; i.Digest != digest || i.Size != 1<<40 || !i.InUse || !i.Created.Equal(made) || !slices.Equal(i.Names, []string{"shop/web:1", "shop/web@" + digest}) {
		t.Errorf("got %+v", i)
	}
	asked := len(a.asked)
	if _, err := r.PruneImages(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "docker image prune") {
		t.Errorf("pruned: %v", err)
	}
	if len(a.asked) != asked {
		t.Errorf("the engine was asked for %v", a.asked[asked:])
	}
}
