//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// What an image has in the places of /dev, /sys and the files leads nowhere on the
// host, whether it starts or not.
func TestFurnish_LinksOfTheImageStayInside(t *testing.T) {
	for name, path := range map[string]string{"dev": "dev", "sys": "sys", "etc": "etc", "hosts": "etc/hosts"} {
		for _, up := range []string{"", "../../../../../../../../../.."} {
			host, layer := t.TempDir(), t.TempDir()
			if err := os.MkdirAll(filepath.Dir(filepath.Join(layer, path)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(up+host, filepath.Join(layer, path)); err != nil {
				t.Fatal(err)
			}
			r := newRig(t, "say", "ran")
			r.cfg.Layers = append(r.cfg.Layers, layer)
			r.cfg.Files = map[string]string{"/etc/hosts": "mine"}
			if ready := r.begin(); ready.Started != nil {
				r.wait()
			}
			r.gone()
			if all, err := os.ReadDir(host); len(all) > 0 || err != nil {
				t.Errorf("%s: on the host there is %v, %v", name, all, err)
			}
		}
	}
}

func TestFurnish_FilesAreNewForEachLife(t *testing.T) {
	r := newRig(t, "sleep")
	r.cfg.Files = map[string]string{"/etc/hosts": "as ordered\n", "/opt/made": "for it\n"}
	for range 2 {
		r.start()
		r.awaitOutput("ready")
		for path, want := range r.cfg.Files {
			if code, out, _ := r.command(bundle.Exec{Args: []string{"probe", "read", path}}, ""); code != 0 || strings.TrimSpace(out) != strings.TrimSpace(want) {
				t.Errorf("%s is %q, %d", path, out, code)
			}
		}
		if _, out, _ := r.command(bundle.Exec{Args: []string{"probe", "write", "/etc/hosts"}}, ""); out != "done\n" {
			t.Errorf("writing to it: %q", out)
		}
		r.stop("SIGKILL", 0)
	}
	r.cfg.ReadOnly = true
	r.start()
	if _, out, _ := r.command(bundle.Exec{Args: []string{"probe", "write", "/etc/hosts"}}, ""); out != "30\n" { // EROFS
		t.Errorf("writing to it: %q", out)
	}
	r.stop("SIGKILL", 0)
}

// What is seen of the machine does not hide the files, and they do not hide what
// was asked for.
func TestFurnish_FilesLieOverTheGroundAndUnderVolumes(t *testing.T) {
	ground, volume := t.TempDir(), t.TempDir()
	for dir, text := range map[string]string{ground: "machine\n", volume: "volume\n"} {
		if err := os.WriteFile(filepath.Join(dir, "hosts"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for want, mounts := range map[string][]bundle.Mount{"ordered\n": nil, "volume\n": {{Source: volume, Target: "/etc"}}} {
		r := newRig(t, "read", "/etc/hosts")
		r.cfg.Files = map[string]string{"/etc/hosts": "ordered\n"}
		r.cfg.Ground, r.cfg.Mounts = []bundle.Mount{{Source: ground, Target: "/etc", ReadOnly: true}}, mounts
		if _, out := r.finish(); out != want {
			t.Errorf("%q, not %q", out, want)
		}
	}
}

// Places that the image lacks come from the base, and nothing of them is in the
// container's own layer.
func TestFurnish_TheBaseHasPlaces(t *testing.T) {
	r := newRig(t, "sleep")
	r.cfg.Base = t.TempDir()
	for _, dir := range []string{"dev", "proc", "sys", "etc"} {
		r.must(os.Mkdir(filepath.Join(r.cfg.Base, dir), 0o755))
	}
	r.must(os.WriteFile(filepath.Join(r.cfg.Base, "etc", "hosts"), nil, 0o644))
	r.cfg.Files = map[string]string{"/etc/hosts": "mine\n"}
	r.start()
	r.awaitOutput("ready")
	if _, out, _ := r.command(bundle.Exec{Args: []string{"probe", "read", "/etc/hosts"}}, ""); out != "mine\n" {
		t.Errorf("%q", out)
	}
	if _, out, _ := r.command(bundle.Exec{Args: []string{"probe", "read", "/etc/passwd"}}, ""); !strings.HasPrefix(out, "root:") {
		t.Errorf("the image's own is %q", out)
	}
	r.stop("SIGKILL", 0)
	if all, err := os.ReadDir(filepath.Join(r.folder, "upper")); len(all) > 0 || err != nil {
		t.Errorf("its own layer has %v, %v", all, err)
	}
}

// What the host mounts in its /sys once the container runs is not seen inside.
func TestFurnish_LaterMountsOfTheHostStayOut(t *testing.T) {
	r := newRig(t, "sleep")
	r.start()
	r.awaitOutput("ready")
	_, table, _ := r.command(bundle.Exec{Args: []string{"probe", "read", "/proc/self/mountinfo"}}, "")
	for line := range strings.Lines(table) {
		if strings.Contains(line, " /sys") && (strings.Contains(line, "shared:") || strings.Contains(line, "master:")) {
			t.Errorf("it hears of the host's mounts: %s", line)
		}
	}
	if !strings.Contains(table, " /sys ") {
		t.Errorf("there is no /sys:\n%s", table)
	}
	r.stop("SIGKILL", 0)
}
