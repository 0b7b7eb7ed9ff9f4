package tree_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
)

func TestRoot_TopOfTheWorkTreeUnlessNamed(t *testing.T) {
	top := t.TempDir()
	deep := filepath.Join(top, "shop", "web")
	if err := errors.Join(os.MkdirAll(deep, 0o755), os.Mkdir(filepath.Join(top, ".git"), 0o755), os.WriteFile(filepath.Join(top, "file"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	if got, err := tree.Root(nil); got != top || err != nil {
		t.Errorf("in %s: %s, %v; want %s", deep, got, err, top)
	}
	if got, err := tree.Root([]string{"."}); got != "." || err != nil {
		t.Errorf("named: %s, %v", got, err)
	}
	for _, bad := range []string{"none", filepath.Join(top, "file")} {
		if _, err := tree.Root([]string{bad}); exit.CodeOf(err) != exit.Usage {
			t.Errorf("%s: %v, want a usage error", bad, err)
		}
	}
}

func TestRevision_IsTheWorkTreesCommitWithItsTrailers(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	if r := tree.Revision(t.Context(), dir); r.Commit != "" {
		t.Errorf("outside Git: %+v", r)
	}
	for _, args := range [][]string{
		{"init", "-q"},
		{"-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "-q", "--allow-empty", "-m", "clean up\n\nBayplan-Allow-Removal: 3"},
	} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	r := tree.Revision(t.Context(), dir)
	if len(r.Commit) != 40 || r.Author != "Ann <ann@example.org>" || r.Subject != "clean up" || r.Time.IsZero() || r.Trailer("Bayplan-Allow-Removal") != "3" {
		t.Errorf("revision %+v", r)
	}
}
