package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// The example JAR, from a commit to answers: fetched by the nodes, checked, and
// run on the JVM of the machine. A sum that is not the file's is told where the
// user looks, and what runs goes on.
func TestE2E_JarWithoutAnImage(t *testing.T) {
	if jvms, _ := filepath.Glob("/usr/lib/jvm/*/release"); len(jvms) == 0 {
		t.Skip("no JVM on this machine")
	}
	dir := t.TempDir()
	d := startOn(t, builtIn{}, dir)
	files := httptest.NewServer(http.FileServer(http.Dir("../../examples/java/server")))
	t.Cleanup(files.Close)
	greeter := strings.ReplaceAll(read(t, "../../examples/java/greeter/greeter.cue"), "https://files.example/greeter/", files.URL+"/")
	d.write("greeter/greeter.cue", greeter)
	d.wantOutcome(d.commit("a JAR"), reconciler.Applied)
	st := d.status()
	if n := healthy(st, "greeter/web"); n != 2 {
		t.Errorf("%d of its slots are healthy: %+v", n, st.Workloads)
	}
	running := d.containers()

	const sum = "de37f9f3"
	d.write("greeter/greeter.cue", strings.ReplaceAll(greeter, sum, "00000000"))
	d.wantOutcome(d.commit("a wrong sum"), reconciler.RolledBack)
	if text := d.shell("bayplan events greeter/web"); !strings.Contains(text, "sha256") {
		t.Errorf("no event tells of the sum:\n%s", text)
	}
	wantSame(t, "greeter/web", running, d.containers())
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
