package node

import (
	"log/slog"
	"maps"
	"testing"

	"github.com/bayplan/bayplan/nodes/agent"
)

// A volume whose folder is away stays declared, and nobody declares one by an
// attribute.
func TestAttributes_TellOfVolumes(t *testing.T) {
	cfg := &Config{Log: slog.New(slog.DiscardHandler), Attributes: map[string]string{"zone": "a", "host-volume.media": "rw"},
		HostVolumes: agent.HostVolumes{"media": {Path: "/none/here", ReadOnly: true}}}
	want := map[string]string{"zone": "a", "host-volume.media": "ro"}
	if got := attributes(cfg); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
