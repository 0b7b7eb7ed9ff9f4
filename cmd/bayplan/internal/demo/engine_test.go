package demo

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// engine skips without a Docker Engine, or fails where one is required.
func engine(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		if os.Getenv("BAYPLAN_TEST_ENGINE") == "required" {
			t.Fatalf("docker version: %v\n%s", err, out)
		}
		t.Skip("no Docker Engine answers")
	}
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestRegistry_EnginePullsAndRunsEachVersion(t *testing.T) {
	engine(t)
	r := serve(t)
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for version, healthy := range map[string]string{"1": "up", "bad": "503"} {
		image := r.Image() + ":" + version
		docker(t, "pull", "--quiet", image)
		t.Cleanup(func() { docker(t, "image", "rm", image) })
		id := docker(t, "run", "-d", "-e", "BAYPLAN_SLOT=hello/web.0", "-p", "127.0.0.1::8080", image)
		t.Cleanup(func() { docker(t, "rm", "-f", id) })
		if out, _ := exec.Command("docker", "exec", id, "/hello", "check").CombinedOutput(); !strings.Contains(string(out), healthy) {
			t.Errorf("%s: check says %q", version, out)
		}
		resp, err := http.Get("http://" + docker(t, "port", id, "8080/tcp") + "/")
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 100)
		n, _ := resp.Body.Read(body)
		resp.Body.Close()
		if got, want := string(body[:n]), "hello version "+version+" from hello/web.0\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		docker(t, "stop", "--time", "10", id)
		if code := docker(t, "inspect", "--format", "{{.State.ExitCode}}", id); code != "0" {
			t.Errorf("%s: exit code %s after SIGTERM, want 0", version, code)
		}
	}
}
