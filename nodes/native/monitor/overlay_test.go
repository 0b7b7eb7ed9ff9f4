//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// apart runs do on a thread that has its own mounts and ends with it.
func apart(t *testing.T, do func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
		}
		if err == nil {
			err = do()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// stack makes layers of one file each, which names the layer, and one that all
// have.
func stack(t *testing.T, n int) []string {
	t.Helper()
	base := filepath.Join(t.TempDir(), "with,comma:and colon"+strings.Repeat("x", 100))
	layers := make([]string, n)
	for i := range layers {
		layers[i] = filepath.Join(base, fmt.Sprint(i))
		if err := os.MkdirAll(layers[i], 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"all", fmt.Sprint(i)} {
			if err := os.WriteFile(filepath.Join(layers[i], name), []byte(fmt.Sprint(i)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return layers
}

func TestOverlay_TheOldWayIsTheNewOne(t *testing.T) {
	for name, mount := range map[string]func(folder string, layers []string) error{"new": mountNew, "old": mountOld} {
		if name == "new" && !takesLayers() {
			continue
		}
		layers := stack(t, 150)
		folder := filepath.Join(t.TempDir(), "a,b:c")
		for _, dir := range []string{upperDir, workDir, rootDir, lowerDir} {
			if err := os.MkdirAll(filepath.Join(folder, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		apart(t, func() error {
			if err := mount(folder, layers); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			all, err := os.ReadDir(filepath.Join(folder, rootDir))
			if err != nil || len(all) != 151 {
				return fmt.Errorf("%s: %d files, %w", name, len(all), err)
			}
			b, err := os.ReadFile(filepath.Join(folder, rootDir, "all"))
			if err != nil || string(b) != "0" {
				return fmt.Errorf("%s: the highest is %q, %w", name, b, err)
			}
			return os.WriteFile(filepath.Join(folder, rootDir, "mine"), nil, 0o644)
		})
		if _, err := os.Stat(filepath.Join(folder, upperDir, "mine")); err != nil {
			t.Error(name, err)
		}
	}
}

func TestOverlay_OfNoLayers(t *testing.T) {
	folder := t.TempDir()
	apart(t, func() error {
		if err := mountScratch(folder, nil); err != nil {
			return err
		}
		if err := mountRoot(folder, &bundle.Config{}); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, rootDir, "mine"), nil, 0o644)
	})
}
