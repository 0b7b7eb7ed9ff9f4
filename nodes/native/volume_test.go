package native_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/quota"
	"github.com/bayplan/bayplan/nodes/native/quota/quotatest"
	"github.com/bayplan/bayplan/schema"
)

// A size that the file system cannot keep is no reason not to run: the node says
// that it has none, to constraints and in its log.
func TestStart_ASizeThatTheFileSystemCannotKeep(t *testing.T) {
	c := newCrash(t)
	var log bytes.Buffer
	r := c.openWith("n", func(cfg *native.Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	info, err := r.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	offered := quota.Offered(c.dir) == nil
	if got := info.Attributes[schema.VolumeQuota]; got != strconv.FormatBool(offered) {
		t.Errorf("it says %q of quotas, and offers them: %v", got, offered)
	}
	in := c.container("write", "/data/x", "kept", "sleep")
	in.Workload.Volumes = map[string]schema.Volume{"data": {Path: "/data", Size: 64 << 20}}
	if s, err := r.Start(t.Context(), in); err != nil || s.State != agent.StateRunning {
		t.Errorf("%+v, %v", s, err)
	}
	c.ends(r, in)
	if told := strings.Contains(log.String(), "a volume without a bound"); told == offered {
		t.Errorf("it logs %s", log.String())
	}
}

// A volume that takes no more is told of, by its name and its bound, and no longer
// once there is room.
func TestList_TellsOfFullVolumes(t *testing.T) {
	c := newCrash(t)
	dir := quotatest.Mount(t, "prjquota")
	r := c.openWith("n", func(cfg *native.Config) { cfg.Dir = dir })
	t.Cleanup(func() { r.Close() }) // before its disk goes
	in := c.container("sleep")
	in.Workload.Volumes = map[string]schema.Volume{"data": {Path: "/data", Size: 4 << 20}, "free": {Path: "/free", Size: 4 << 20}}
	c.starts(r, in)
	full := func() []string {
		t.Helper()
		all, err := r.List(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("%v, %v", all, err)
		}
		return all[0].Full
	}
	if got := full(); len(got) != 0 {
		t.Errorf("empty volumes are full: %q", got)
	}
	found, _ := filepath.Glob(filepath.Join(dir, "volumes", "*", "data"))
	if len(found) != 1 {
		t.Fatalf("volumes %q", found)
	}
	filler := filepath.Join(found[0], "filler")
	if err := os.WriteFile(filler, make([]byte, 5<<20), 0o600); err != nil && !errors.Is(err, syscall.EDQUOT) {
		t.Fatal(err) // root itself may be bound or not
	}
	if got := full(); len(got) != 1 || got[0] != "data (4Mi)" {
		t.Errorf("full are %q", got)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if got := full(); len(got) != 0 {
		t.Errorf("full are %q, and there is room", got)
	}
	if err := errors.Join(r.Stop(t.Context(), in.ID, "SIGKILL", 0), r.Remove(t.Context(), in.ID)); err != nil {
		t.Error(err)
	}
}
