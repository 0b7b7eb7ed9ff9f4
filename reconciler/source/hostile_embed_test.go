package source_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/schema/load"
)

// An embed that climbs out of its folder, or out of the repository, is its
// team's error, and the others' text is there.
func TestHostile_EmbedsStayInTheirFolder(t *testing.T) {
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	for name, text := range map[string]string{
		"up/up.cue":       "@extern(embed)\npackage up\nworkloads: web: {kind: \"service\", image: \"r/web:1\"}\nx: _ @embed(file=../shop/secret.txt,type=text)\n",
		"out/out.cue":     "@extern(embed)\npackage out\nworkloads: web: {kind: \"service\", image: \"r/web:1\"}\nx: _ @embed(file=../../outside.txt,type=text)\n",
		"shop/web.cue":    "package shop\nworkloads: web: {kind: \"service\", image: \"r/web:1\"}\n",
		"shop/secret.txt": "hidden",
		"../outside.txt":  "hidden",
	} {
		file := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "-q", "-m", "first"}} {
		cmd := exec.Command("git", append([]string{"-C", work}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	s, err := source.Open(source.Config{URL: work, Dir: filepath.Join(dir, "mirror"), Poll: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = s.Watch(ctx, func(u source.Update) {
		defer cancel()
		if u.Tip == nil {
			t.Fatalf("trouble %+v", u.Trouble)
		}
		spec, err := load.LoadContext(t.Context(), u.Tip.Files, u.Tip.Revision)
		if err == nil || len(spec.Workloads) != 1 || spec.Workloads[0].Name != "shop/web" {
			t.Errorf("%d workloads, %v", len(spec.Workloads), err)
		}
		for _, team := range []string{"up/up.cue:4", "out/out.cue:4"} {
			if err == nil || !strings.Contains(err.Error(), team) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%v: want an error at %s", err, team)
			}
		}
	})
	if ctx.Err() == nil {
		t.Error(err)
	}
}
