package runtimetest

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

func withVolume(c agent.Container) agent.Container {
	c.Workload.Volumes = map[string]schema.Volume{"data": {Path: "/data"}}
	return instance(c.Workload, c.Slot.Index)
}

func volumeSurvives(r *rig) {
	writer := withVolume(r.container("db", 0, "write", "/data/x", "kept"))
	r.run(writer)
	if s := r.awaitExit(writer.ID); s.ExitCode != 0 {
		r.Fatalf("writing: %+v %s", s, r.logs(writer.ID, agent.LogOptions{Tail: -1}))
	}
	r.must(r.Remove(r.ctx, writer.ID))
	reader := withVolume(r.container("db", 0, "read", "/data/x"))
	r.run(reader)
	r.awaitExit(reader.ID)
	if got := r.logs(reader.ID, agent.LogOptions{Tail: -1}); got != "kept\n" {
		r.Errorf("after its container was removed the volume holds %q", got)
	}
}

func volumeOfSlot(r *rig) {
	writer := withVolume(r.container("db", 0, "write", "/data/x", "kept"))
	r.run(writer)
	r.awaitExit(writer.ID)
	other := withVolume(r.container("db", 1, "read", "/data/x"))
	r.run(other)
	if s := r.awaitExit(other.ID); s.ExitCode != 1 {
		r.Errorf("slot 1 reads slot 0's volume: %+v", s)
	}
}

func volumeDeleted(r *rig) {
	kept := withVolume(r.container("db", 1, "write", "/data/x", "kept"))
	writer := withVolume(r.container("db", 0, "write", "/data/x", "old"))
	for _, c := range []agent.Container{kept, writer} {
		r.run(c)
		r.awaitExit(c.ID)
	}
	if err := r.RemoveVolumes(r.ctx, writer.Slot); err == nil {
		r.Error("the volume of a container that is there was deleted")
	}
	for _, c := range []agent.Container{kept, writer} {
		r.must(r.Remove(r.ctx, c.ID))
	}
	for range 2 { // what is gone already is no error
		r.must(r.RemoveVolumes(r.ctx, writer.Slot))
	}
	for want, slot := range map[int]int{1: 0, 0: 1} {
		reader := withVolume(r.container("db", slot, "read", "/data/x"))
		r.run(reader)
		if s := r.awaitExit(reader.ID); s.ExitCode != want {
			r.Errorf("slot %d, after the volumes of slot 0 were deleted: reading ends with %d, want %d", slot, s.ExitCode, want)
		}
	}
}

// fellows are found by their names, as they are when a life begins.

func withHostVolume(c agent.Container, name string, readOnly bool) agent.Container {
	c.Workload.Volumes = map[string]schema.Volume{"data": {Path: "/data", Host: name, ReadOnly: readOnly}}
	return instance(c.Workload, c.Slot.Index)
}

func hostVolumeShared(r *rig) {
	writer := withHostVolume(r.container("web", 0, "write", "/data/x", "seen"), "shared", false)
	r.run(writer)
	if s := r.awaitExit(writer.ID); s.ExitCode != 0 {
		r.Fatalf("writing: %+v %s", s, r.logs(writer.ID, agent.LogOptions{Tail: -1}))
	}
	reader := withHostVolume(r.container("web", 1, "read", "/data/x"), "fixed", true)
	r.run(reader)
	r.awaitExit(reader.ID)
	if got := r.logs(reader.ID, agent.LogOptions{Tail: -1}); got != "seen\n" {
		r.Errorf("another slot reads %q", got)
	}
	r.must(r.Remove(r.ctx, writer.ID))
	if _, err := os.Stat(filepath.Join(r.HostVolume, "x")); err != nil {
		r.Errorf("on the node: %v", err)
	}
}

func hostVolumeReadOnly(r *rig) {
	for _, name := range []string{"shared", "fixed"} {
		c := withHostVolume(r.container(name, 0, "write", "/data/y", "lost"), name, true)
		r.run(c)
		s := r.awaitExit(c.ID)
		if got := r.logs(c.ID, agent.LogOptions{Tail: -1}); s.ExitCode != 1 || !strings.Contains(got, "read-only") {
			r.Errorf("%s: it exited with %d after %q", name, s.ExitCode, got)
		}
	}
}

// hostVolumeRefused leaves nothing behind but the reason.
func hostVolumeRefused(r *rig) {
	for name, readOnly := range map[string]bool{"fixed": false, "unknown": true} {
		c := withHostVolume(r.container(name, 0, "sleep"), name, readOnly)
		r.must(r.Pull(r.ctx, image(c.Workload)))
		_, err := r.Start(r.ctx, c)
		if f := r.wantFailure(err, nodes.VolumeUnavailable); !strings.Contains(f.Text, name) {
			r.Errorf("%s: it says %q", name, f.Text)
		}
	}
	if left := r.list(); len(left) > 0 {
		r.Errorf("there are %+v", left)
	}
}
