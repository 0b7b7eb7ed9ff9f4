package native_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// built is where TestMain put the monitor; why says why no container can run.
var built struct{ monitor, why string }

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		fmt.Fprintln(os.Stderr, child(job))
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "bayplan-native-test-")
	if err != nil {
		panic(err)
	}
	if os.Geteuid() != 0 {
		built.why = "containers need root"
	} else if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// build makes the monitor as `make build` does.
func build(dir string) error {
	built.monitor = filepath.Join(dir, "bayplan-monitor")
	cmd := exec.Command("go", "build", "-tags", "netgo,osusergo", "-ldflags", `-s -w -linkmode external -extldflags "-static"`,
		"-o", built.monitor, "./monitor/bayplan-monitor")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the monitor: %w\n%s", err, out)
	}
	return nil
}
