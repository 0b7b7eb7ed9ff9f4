package load_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	cueload "cuelang.org/go/cue/load"

	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// newRepository writes one to disk.
func newRepository(t *testing.T) string {
	t.Helper()
	files, err := load.Repository("ops.example/repo@v0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// vet is what `cue vet -c ./...` and CUE's language server do: CUE's own loader,
// on disk and with no registry.
func vet(t *testing.T, dir string) (err error) {
	t.Helper()
	t.Setenv("CUE_REGISTRY", "none")
	for _, inst := range cueload.Instances([]string{"./..."}, &cueload.Config{Dir: dir}) {
		v := cuecontext.New().BuildInstance(inst)
		if bad := v.Validate(cue.Concrete(true)); bad != nil && err == nil {
			err = bad
		}
	}
	return err
}

func TestRepository_IsValidForUsAndForPlainCUE(t *testing.T) {
	dir := newRepository(t)
	spec, err := load.Load(os.DirFS(dir), schema.Revision{})
	if err != nil || len(spec.Workloads) != 1 || spec.Workloads[0].Name != "hello/web" {
		t.Fatalf("got %+v, %v", spec.Workloads, err)
	}
	if err := vet(t, dir); err != nil {
		t.Fatal(err)
	}
}

// Plain CUE finds what is wrong by the vendored schema.
func TestRepository_PlainCUEFindsMistakes(t *testing.T) {
	for old, mistake := range map[string]string{
		"replicas: 2":         "replcas: 2",
		`kind:     "service"`: `kind: "servce"`,
		`memory: "32Mi"`:      `memory: "32 MB"`,
	} {
		dir := newRepository(t)
		name := filepath.Join(dir, "hello/web.cue")
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("the sample has no %q", old)
		}
		if err := os.WriteFile(name, bytes.Replace(text, []byte(old), []byte(mistake), 1), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := vet(t, dir); err == nil {
			t.Errorf("%s: nothing is wrong", mistake)
		}
		if _, err := load.Load(os.DirFS(dir), schema.Revision{}); err == nil {
			t.Errorf("%s: nothing is wrong for us", mistake)
		}
	}
}

func TestCUE_IsOneFile(t *testing.T) {
	text, err := load.CUE()
	if err != nil {
		t.Fatal(err)
	}
	v := cuecontext.New().CompileBytes(text)
	if v.Err() != nil || strings.Count(string(text), "package schema\n") != 1 {
		t.Fatalf("%v", v.Err())
	}
	if !v.LookupPath(cue.ParsePath("#Service.replicas?")).Exists() {
		t.Error("it has no services")
	}
}
