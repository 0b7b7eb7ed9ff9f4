package native

import (
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

func testRuntime(t *testing.T) *Runtime {
	t.Helper()
	r, err := New(Config{
		Dir: t.TempDir(), Cluster: "prod", Node: "n1", Images: (*images.Store)(nil),
		Monitor: func() (io.ReadCloser, error) { return nil, os.ErrNotExist },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func database() agent.Container {
	return agent.Container{
		ID: "shop/db.2@0123456789ab", Slot: schema.Slot{Workload: "shop/db", Index: 2}, Digest: "0123456789ab", Commit: "c0ffee",
		Workload: &schema.Workload{
			Name: "shop/db", Image: "db:1", Args: []string{"--fast"}, Env: map[string]string{"MODE": "prod", "LANG": "C"},
			Ports: map[string]schema.Port{"sql": {Container: 5432, Protocol: "tcp"}},
			Volumes: map[string]schema.Volume{
				"data": {Path: "/var/lib/db"}, "seed": {Path: "/seed", ReadOnly: true},
			},
			Tmpfs: map[string]schema.Tmpfs{"run": {Path: "/run/db", Size: 1 << 20}},
			Resources: schema.Resources{CPU: 500, Memory: 64 << 20, Limit: schema.Limits{
				CPU: 1500, Memory: 128 << 20, Pids: 100, Files: 1000,
			}},
		},
		Ports: map[string]int{"sql": 20001},
		Env:   map[string]string{"PORT_SQL": "5432"},
	}
}

func databaseImage() images.Image {
	return images.Image{
		Digest: "sha256:abc", Layers: []string{"/layers/1/fs", "/layers/2/fs"},
		Config: images.RunConfig{
			Entrypoint: []string{"/entry"}, Cmd: []string{"serve"}, User: "db:db", WorkingDir: "/srv",
			Env: []string{"PATH=/db/bin:/bin", "LANG=en", "MODE=dev", "broken"},
		},
	}
}

// TestConfig_IsTheContainerWhole is what a monitor gets, in a golden file.
func TestConfig_IsTheContainerWhole(t *testing.T) {
	r := testRuntime(t)
	cfg, err := r.config(database(), ground{image: databaseImage()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(cfg, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(string(b)+"\n", r.names.dir, "/DIR")
	got = strings.ReplaceAll(got, r.names.group, "/bayplan/KEY")
	const golden = "testdata/config.json"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("run with -update if that is meant:\n%s", d)
	}
}

func TestCommand_AsOCIAndDockerSay(t *testing.T) {
	both := images.RunConfig{Entrypoint: []string{"e"}, Cmd: []string{"c"}}
	for _, c := range []struct {
		what          string
		image         images.RunConfig
		command, args []string
		want          string
	}{
		{"nothing said", both, nil, nil, "e c"},
		{"arguments", both, nil, []string{"a"}, "e a"},
		{"a command drops the image's arguments", both, []string{"x", "y"}, nil, "x y"},
		{"both", both, []string{"x"}, []string{"a"}, "x a"},
		{"an image with arguments alone", images.RunConfig{Cmd: []string{"c", "d"}}, nil, nil, "c d"},
		{"an image without anything", images.RunConfig{}, nil, nil, ""},
	} {
		if got := strings.Join(command(&schema.Workload{Command: c.command, Args: c.args}, c.image), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestConfig_Refuses(t *testing.T) {
	r := testRuntime(t)
	c := database()
	c.Workload.Args = nil
	_, err := r.config(c, ground{})
	if e, ok := err.(*agent.Error); !ok || e.Failure.Code != nodes.CommandNotFound {
		t.Errorf("without a command: %v", err)
	}
	c.Ports = map[string]int{"http": 80}
	if _, err := r.config(c, ground{image: databaseImage()}); err == nil || !strings.Contains(err.Error(), "no port of that name") {
		t.Errorf("a port of another name: %v", err)
	}
}

func TestHostname_IsALabel(t *testing.T) {
	for workload, want := range map[string]string{
		"shop/web":                            "web-7",
		"a/b/c.d_e":                           "c-d-e-7",
		"shop/" + strings.Repeat("x", 90):     strings.Repeat("x", 61) + "-7",
		"shop/-odd-" + strings.Repeat("-", 9): "odd-7",
	} {
		c := agent.Container{Slot: schema.Slot{Workload: workload, Index: 7}, Workload: &schema.Workload{}}
		if got := hostname(c); got != want {
			t.Errorf("%s: %q, want %q", workload, got, want)
		}
	}
}

func TestNames_AreOfOneNodeAndShort(t *testing.T) {
	a, b := newNames("/d", "c", "one"), newNames("/d", "c", "two")
	long := strings.Repeat("team/", 100) + "web.0@0123456789ab"
	folder := a.folder(long)
	if len(folder) > 120 || folder == b.folder(long) || folder == a.folder(long+"x") || filepath.Base(folder) != folder {
		t.Errorf("%q", folder)
	}
	for _, name := range []string{folder, newPrefix + folder, gonePrefix + folder} {
		if !a.owns(name) || b.owns(name) {
			t.Errorf("%q is of the wrong node", name)
		}
	}
	for _, name := range []string{"", ".", "lost+found", "a.b.c"} {
		if a.owns(name) {
			t.Errorf("%q is taken for ours", name)
		}
	}
	if a.group == b.group || a.group == newNames("/e", "c", "one").group {
		t.Error("two nodes share a control group")
	}
	s := schema.Slot{Workload: "shop/db", Index: 1}
	if v := a.volume(s, "data"); v == b.volume(s, "data") || v == a.volume(schema.Slot{Workload: "shop/db", Index: 2}, "data") || !strings.HasPrefix(v, "/d/volumes/") {
		t.Errorf("%q", v)
	}
}

func TestReachable_DropsLoopback(t *testing.T) {
	const conf = "# of the stub\nnameserver 127.0.0.53\noptions edns0\nnameserver 10.0.0.2\nnameserver ::1\nnameserver fe80::1%eth0\n"
	text, n := reachable(conf)
	if want := "# of the stub\noptions edns0\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\n"; text != want || n != 2 {
		t.Errorf("%d servers:\n%s", n, text)
	}
}
