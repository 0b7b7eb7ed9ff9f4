//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
)

// built are the programs that the tests run: the monitor, and what the
// containers hold.
var built struct {
	monitor *os.File
	layer   string
	why     string // not root, say
}

func TestMain(m *testing.M) { os.Exit(main(m)) }

func main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bayplan-monitor-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if os.Geteuid() != 0 {
		built.why = "containers need root"
	} else if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, "bayplan-monitor")
	if err := goBuild(path, "./bayplan-monitor", "CGO_ENABLED=1", "-tags", "netgo,osusergo", "-ldflags", `-s -w -linkmode external -extldflags "-static"`); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if built.monitor, err = launch.Seal(launch.Name, f); err != nil {
		return err
	}
	built.layer = filepath.Join(dir, "layer")
	return buildLayer(built.layer)
}

func goBuild(to, what, env string, args ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", to}, args...), what)...)
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", what, err, out)
	}
	return nil
}

// buildLayer makes an image of one program, as small as a container can be.
func buildLayer(dir string) error {
	for _, d := range []string{"etc", "tmp", "bin", "secret"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
		"etc/group":  "root:x:0:\napp:x:1000:\nextra:x:2000:app\n",
		"bin/text":   "#!/nowhere\n",
		"bin/junk":   "no program at all",
		"bin/file":   "not executable",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for name, mode := range map[string]os.FileMode{"tmp": 0o777 | os.ModeSticky, "bin/text": 0o755, "bin/junk": 0o755, "secret": 0o700} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			return err
		}
	}
	return goBuild(filepath.Join(dir, "bin", "probe"), "./testdata/probe", "CGO_ENABLED=0", "-ldflags", "-s -w")
}
