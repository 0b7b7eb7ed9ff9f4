package monorepo

import (
	"os"
	"testing"

	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

func TestWrite_IsValid(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, Size{Teams: 11, Workloads: 3}); err != nil {
		t.Fatal(err)
	}
	spec, err := load.Load(os.DirFS(dir), schema.Revision{})
	if err != nil || len(spec.Workloads) != 33 {
		t.Fatalf("%d workloads, %v", len(spec.Workloads), err)
	}
	if w := spec.Workload(Team(10) + "/svc-02"); w == nil || w.Health == nil || len(w.Ports) != 1 {
		t.Errorf("a team that shares definitions has %+v", w)
	}
}
