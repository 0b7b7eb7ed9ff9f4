package native_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/images"
)

// An image that a container was made from is told as in use and never pruned,
// whether it runs or has ended; once it is removed the image may go.
func TestImages_WhatAContainerUsesStays(t *testing.T) {
	m := newMachine(t)
	var r *native.Runtime
	store, err := images.Open(images.Config{Dir: filepath.Join(t.TempDir(), "images"), Log: m.log, Limits: images.Limits{Reserve: -1},
		InUse: func(ctx context.Context) ([]string, error) { return r.ImagesInUse(ctx) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r = m.openWith("n1", func(cfg *native.Config) { cfg.Images = store })
	in := m.instance("web", 0, "sleep")
	if err := r.Pull(t.Context(), in.Image()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Start(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	stays := func(when string, inUse bool, left int) {
		t.Helper()
		all, err := r.Images(t.Context())
		if err != nil || len(all) != 1 || all[0].InUse != inUse || all[0].Size <= 0 || len(all[0].Names) == 0 {
			t.Errorf("%s: %+v, %v", when, all, err)
		}
		p, err := r.PruneImages(t.Context(), 0)
		if err != nil || len(p.Images) != 1-left {
			t.Errorf("%s: pruned %+v, %v", when, p, err)
		}
	}
	stays("it runs", true, 1)
	if err := r.Stop(t.Context(), in.ID, "SIGKILL", time.Second); err != nil {
		t.Fatal(err)
	}
	stays("it has ended", true, 1)
	if err := r.Remove(t.Context(), in.ID); err != nil {
		t.Fatal(err)
	}
	stays("it is gone", false, 0)
	m.close()
	m.isClean()
}
