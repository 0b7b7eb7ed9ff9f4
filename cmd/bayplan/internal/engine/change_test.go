package engine

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
)

// settled is a node's folder that began with a runtime.
func settled(t *testing.T, runtime string) Config {
	t.Helper()
	cfg := Config{Dir: t.TempDir(), Cluster: "c", Node: "n1", Log: slog.New(slog.DiscardHandler),
		DockerHost: "unix://" + filepath.Join(t.TempDir(), "none.sock")}
	if err := os.WriteFile(filepath.Join(cfg.Dir, settledFile), []byte(runtime+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSettle_RefusesToLeaveContainersBehind(t *testing.T) {
	native := settled(t, Native)
	native.Runtime = Docker
	containers := filepath.Join(native.Dir, "native", "containers")
	for _, name := range []string{"web.0.key.sum", ".gone-web.1.key.sum"} {
		if err := os.MkdirAll(filepath.Join(containers, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	silent := settled(t, Docker)
	silent.Runtime = Native
	for _, x := range []struct {
		cfg  Config
		want string
	}{
		{native, "what it still has there (1 containers) would run on unseen\n  next: start the agent with --runtime native"},
		{silent, "still has containers there is not known"},
		{silent, "remove " + filepath.Join(silent.Dir, settledFile)},
	} {
		if _, err := settle(t.Context(), x.cfg); err == nil || !strings.Contains(exit.Text(err), x.want) {
			t.Errorf("got %v, want %q", err, x.want)
		}
	}
	if had, err := Settled(native.Dir); had != Native || err != nil {
		t.Errorf("it stands for %q now, %v", had, err)
	}
	if err := os.RemoveAll(containers); err != nil {
		t.Fatal(err)
	}
	if name, err := settle(t.Context(), native); name != Docker || err != nil {
		t.Errorf("with nothing left: %q, %v", name, err)
	}
	if had, err := Settled(native.Dir); had != Docker || err != nil {
		t.Errorf("it stands for %q, %v", had, err)
	}
}
