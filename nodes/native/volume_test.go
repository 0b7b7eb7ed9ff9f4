package native_test

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/quota"
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
