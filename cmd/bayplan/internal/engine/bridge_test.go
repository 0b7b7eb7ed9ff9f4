package engine

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes/native/bridge"
)

// What keeps a node from a bridge may pass: it is tried again by whoever wants one,
// told once, and never mistaken for a bridge.
func TestNetwork_WithoutABridgeIsTriedAgain(t *testing.T) {
	var said bytes.Buffer
	tries := 0
	n := &network{log: slog.New(slog.NewTextHandler(&said, nil)), open: func() (*bridge.Network, error) {
		tries++
		return nil, errors.New("no space left on device")
	}}
	for want := 1; want <= 2; want++ {
		_, err := n.Attach(t.Context(), "a", nil)
		if err == nil || !strings.Contains(err.Error(), "this node has no bridge (no space left on device): order network") {
			t.Errorf("attach: %v", err)
		}
		if tries != want {
			t.Errorf("opened %d times, want %d", tries, want)
		}
	}
	if err := errors.Join(n.Detach(t.Context(), "a"), n.Sweep(t.Context(), nil)); err != nil || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
	if told := strings.Count(said.String(), "no bridge network"); told != 1 {
		t.Errorf("told %d times:\n%s", told, &said)
	}
	if err := n.Close(true); err != nil {
		t.Error(err)
	}
	if _, err := n.Attach(t.Context(), "a", nil); !errors.Is(err, errNoBridge) || tries != 3 {
		t.Errorf("attach after its end: %v after %d tries", err, tries)
	}
}
