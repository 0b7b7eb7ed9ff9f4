//go:build mutants

package mutants

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	only   = flag.String("only", "", "play the mutants alone whose bug has this in it")
	within = flag.Int("within", 600, "how many seeds each mutant may take")
)

// TestMutants_AreFound builds the player with each bug in turn and plays seeds until
// one shows it.
func TestMutants_AreFound(t *testing.T) {
	fmt.Printf("%-55s %6s  %s\n", "planted bug", "seeds", "what it broke")
	for i := range catalog {
		m := &catalog[i]
		if !strings.Contains(m.bug, *only) {
			continue
		}
		seeds, broke := m.play(t)
		fmt.Printf("%-55s %6s  %s\n", m.bug, seeds, broke)
		if broke == "" {
			t.Errorf("%s: not found within %d seeds", m.bug, *within)
		}
	}
}

var found = regexp.MustCompile(`found (\S+) with seed (\d+)`)

// play is after how many seeds the mutant was found, and what it broke; empty where
// it was not.
func (m *mutant) play(t *testing.T) (seeds, broke string) {
	dir := t.TempDir()
	text, ok := m.mutate()
	if !ok {
		t.Fatalf("%s: nothing to change in %s", m.bug, m.file)
	}
	source, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	changed, overlay, player := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "player")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: changed}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, changed, []byte(text))
	write(t, overlay, replace)
	build := exec.Command("go", "build", "-overlay", overlay, "-o", player, "./testenv/sim/play")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", m.bug, err, out)
	}
	// It fails where it finds something, which is what is wanted.
	out, err := exec.Command(player, "-regressions=false", "-first", "-twice", "5", "-seeds", fmt.Sprintf("1:+%d", *within)).CombinedOutput()
	got := found.FindSubmatch(out)
	if err == nil || got == nil {
		return ">" + fmt.Sprint(*within), ""
	}
	return string(got[2]), string(got[1])
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
