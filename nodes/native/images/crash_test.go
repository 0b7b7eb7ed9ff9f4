package images_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/testenv/image"
)

// crashDir and crashRef tell the test program that it is the one to be killed.
const (
	crashDir = "BAYPLAN_TEST_IMAGES"
	crashRef = "BAYPLAN_TEST_IMAGE"
)

// pullUntilKilled is the child: it fills and clears a store for ever.
func pullUntilKilled(dir string) int {
	s, err := images.Open(images.Config{Dir: dir, InUse: func(context.Context) ([]string, error) { return nil, nil }})
	fmt.Println("open", err)
	for err == nil {
		for range 500 { // all but the first only look
			if _, err = s.Pull(context.Background(), os.Getenv(crashRef)); err != nil {
				break
			}
		}
		if err == nil {
			_, err = s.Prune(context.Background(), 0)
		}
	}
	fmt.Println(err)
	return 1
}

func TestCrash_LeavesNothingHalf(t *testing.T) {
	var contents []map[string]string
	var streams [][]byte
	for i := range 3 {
		list, content := []entry{folder("d")}, map[string]string{"d": "d---------"}
		for j := range 60 {
			name, text := fmt.Sprintf("d/%d-%d", i, j), strings.Repeat(fmt.Sprint(i, j), 2000)
			list, content[name] = append(list, file(name, text)), text
		}
		streams, contents = append(streams, archived(t, list...)), append(contents, content)
	}
	img := layered(t, v1.Config{User: "app"}, streams...)
	ref := image.NewRegistry(t).Push(t, "shop/web:1", img)
	expected := byDiffID(t, img, contents)
	dir, seen := t.TempDir(), map[string]bool{}
	for range 25 {
		killSoon(t, dir, ref, seen)
		wantWhole(t, dir, ref, expected)
	}
	for _, sub := range []string{"partial", "tmp", "layers", "images"} {
		if !seen[sub] {
			t.Logf("no kill left something in %s", sub)
		}
	}
}

func byDiffID(t *testing.T, img v1.Image, contents []map[string]string) map[string]map[string]string {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for i, d := range c.RootFS.DiffIDs {
		all[d.Hex] = contents[i]
	}
	return all
}

// killSoon lets a child work for a random while from its first moment on, and
// notes where it had something when it died.
func killSoon(t *testing.T, dir, ref string, seen map[string]bool) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir, crashRef+"="+ref)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "open <nil>\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	after := time.NewTimer(rand.N(60 * time.Millisecond))
	defer after.Stop()
	<-after.C
	child.Process.Kill()
	if rest, _ := lines.ReadString('\n'); rest != "" {
		t.Fatalf("the child says %q", rest)
	}
	for _, sub := range []string{"partial", "tmp", "layers", "images"} {
		left, _ := os.ReadDir(filepath.Join(dir, sub))
		seen[sub] = seen[sub] || len(left) > 0
	}
}

// wantWhole opens what was left: whatever counts is whole, and the image can be
// had.
func wantWhole(t *testing.T, dir, ref string, expected map[string]map[string]string) {
	t.Helper()
	s := open(t, images.Config{Dir: dir})
	defer s.Close()
	if left, _ := filepath.Glob(dir + "/tmp/*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	layers, _ := os.ReadDir(filepath.Join(dir, "layers"))
	for _, l := range layers {
		if d := cmp.Diff(expected[l.Name()], tree(t, filepath.Join(dir, "layers", l.Name(), "fs"))); d != "" {
			t.Errorf("layer %s: %s", l.Name(), d)
		}
	}
	got := mustPull(t, s, ref)
	for _, l := range got.Layers {
		if d := cmp.Diff(expected[filepath.Base(filepath.Dir(l))], tree(t, l)); d != "" {
			t.Errorf("pulled, layer %s: %s", l, d)
		}
	}
	if left, _ := filepath.Glob(dir + "/partial/*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestCrash_DamagedRecordsAreForgotten(t *testing.T) {
	r, dir := image.NewRegistry(t), t.TempDir()
	ref := r.Push(t, "shop/web:1", webImage(t))
	s := open(t, images.Config{Dir: dir})
	img := mustPull(t, s, ref)
	s.Close()
	record := filepath.Join(dir, "images", strings.TrimPrefix(img.Digest, "sha256:")+".json")
	for name, damage := range map[string]func() error{
		"record cut short": func() error { return os.Truncate(record, 10) },
		"record of another": func() error {
			return os.WriteFile(record, []byte(`{"digest":"sha256:`+strings.Repeat("0", 64)+`"}`), 0o600)
		},
		"names gone":          func() error { return os.Remove(filepath.Join(dir, "refs.json")) },
		"names are noise":     func() error { return os.WriteFile(filepath.Join(dir, "refs.json"), []byte("null"), 0o600) },
		"layer without info":  func() error { return os.Remove(filepath.Join(filepath.Dir(img.Layers[0]), "info.json")) },
		"layer gone":          func() error { return os.RemoveAll(filepath.Dir(img.Layers[1])) },
		"stranger in layers":  func() error { return os.MkdirAll(filepath.Join(dir, "layers", "x", "fs"), 0o700) },
		"rest of a clearing":  func() error { return os.MkdirAll(filepath.Join(dir, "tmp", "gone-x", "fs"), 0o700) },
		"image without names": func() error { return os.WriteFile(filepath.Join(dir, "refs.json"), []byte("{}"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			s := open(t, images.Config{Dir: dir})
			defer s.Close()
			if d := cmp.Diff(img, mustPull(t, s, ref)); d != "" {
				t.Error(d)
			}
			wantNothingHalf(t, dir)
		})
	}
}
