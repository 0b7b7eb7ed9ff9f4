package native

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHostPaths_ThatMustNotBeSeen(t *testing.T) {
	const dir = "/var/lib/bayplan/agent/native"
	if err := checkHostPaths(HostPaths, dir); err != nil {
		t.Error(err)
	}
	for _, p := range []string{"/", "usr", "/usr/", "/usr/../etc", "/proc", "/sys/fs", "/dev/sda", "/run/docker.sock", "/tmp", "/*", "/[", "/var", "/var/lib", "/var/*", "/var/lib/bayplan/agent", dir} {
		if err := checkHostPaths([]string{"/usr", p}, dir); err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("%q: %v", p, err)
		}
	}
}

// The machine's own `java` counts, and else the newest; one that is not seen from
// inside does not.
func TestFindJava(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		at := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, version := range map[string]string{"a": "17.0.9", "b": "17.0.15", "c": "8"} {
		write("usr/lib/jvm/"+name+"/release", "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\""+version+"\"\n")
		write("usr/lib/jvm/"+name+"/bin/java", "")
	}
	write("usr/lib/jvm/broken/release", "JAVA_VERSION=\"99\"\n")
	if got := findJava(root, HostPaths); got != (jvm{"/usr/lib/jvm/b", "17.0.15"}) {
		t.Errorf("the newest is %+v", got)
	}
	if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../lib/jvm/c/bin/java", filepath.Join(root, "usr/bin/java")); err != nil {
		t.Fatal(err)
	}
	got := findJava(root, HostPaths)
	if got != (jvm{"/usr/lib/jvm/c", "8"}) || got.environment()[0] != "JAVA_HOME=/usr/lib/jvm/c" || got.attributes()["java"] != "8" {
		t.Errorf("the machine's is %+v", got)
	}
	for _, seen := range [][]string{nil, {"/bin"}, {"/usr/lib/jvmx"}} {
		if got := findJava(root, seen); got.environment() != nil || got.attributes() != nil {
			t.Errorf("seen through %q: %+v", seen, got)
		}
	}
}
