package images_test

import (
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/testenv/image"
)

const platformArch = runtime.GOARCH

var web = v1.Config{
	Env: []string{"PATH=/bin"}, Entrypoint: []string{"/bin/web"}, Cmd: []string{"-v"}, User: "app:staff",
	WorkingDir: "/srv", ExposedPorts: map[string]struct{}{"80/tcp": {}, "443/tcp": {}},
	Volumes: map[string]struct{}{"/data": {}}, StopSignal: "SIGINT", Labels: map[string]string{"a": "b"},
}

func webImage(t testing.TB) v1.Image {
	return layered(t, web,
		archived(t, folder("bin"), file("bin/web", "one"), symlink("sbin", "bin")),
		archived(t, file("srv/index.html", "two"), hardlink("srv/again.html", "srv/index.html")))
}

func TestPull_MakesAnImagePresent(t *testing.T) {
	r := image.NewRegistry(t)
	ref := r.Push(t, "shop/web:1", webImage(t))
	s := open(t, images.Config{})
	if _, err := s.Get(ref); err == nil {
		t.Fatal("it is there before")
	}
	got := mustPull(t, s, ref)
	want := images.RunConfig{
		Env: web.Env, Entrypoint: web.Entrypoint, Cmd: web.Cmd, User: web.User, WorkingDir: web.WorkingDir,
		ExposedPorts: []string{"443/tcp", "80/tcp"}, Volumes: []string{"/data"}, StopSignal: "SIGINT", Labels: web.Labels,
	}
	if d := cmp.Diff(want, got.Config); d != "" {
		t.Error(d)
	}
	if len(got.Layers) != 2 || !filepath.IsAbs(got.Layers[0]) {
		t.Fatalf("layers %v", got.Layers)
	}
	below := map[string]string{"bin": "d---------", "bin/web": "one", "sbin": "→ bin"}
	above := map[string]string{"srv": "d---------", "srv/index.html": "two", "srv/again.html": "two"}
	for i, want := range []map[string]string{below, above} {
		if d := cmp.Diff(want, tree(t, got.Layers[i])); d != "" {
			t.Errorf("layer %d: %s", i, d)
		}
	}
	wantNothingHalf(t, filepath.Dir(filepath.Dir(filepath.Dir(got.Layers[0]))))
}

// wantNothingHalf checks that nothing is being made.
func wantNothingHalf(t testing.TB, dir string) {
	t.Helper()
	for _, sub := range []string{"partial", "tmp"} {
		if left, _ := filepath.Glob(filepath.Join(dir, sub, "*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

func TestPull_NeedsNoRegistryOnceItIsThere(t *testing.T) {
	r := image.NewRegistry(t)
	digest := r.Push(t, "shop/web:1", webImage(t))
	tag := r.Addr() + "/shop/web:1"
	dir := t.TempDir()
	s := open(t, images.Config{Dir: dir})
	byTag := mustPull(t, s, tag)
	r.Down()
	if again := mustPull(t, s, tag); again.Digest != byTag.Digest {
		t.Fatalf("%s, then %s", byTag.Digest, again.Digest)
	}
	byDigest := mustPull(t, s, digest)
	if d := cmp.Diff(byTag, byDigest); d != "" {
		t.Fatal(d)
	}
	s.Close()
	s = open(t, images.Config{Dir: dir})
	for _, ref := range []string{tag, digest, byTag.Digest} {
		got, err := s.Get(ref)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(byTag, got); d != "" {
			t.Errorf("%s after a restart: %s", ref, d)
		}
	}
}

func TestPull_SharesLayersAndImages(t *testing.T) {
	r := image.NewRegistry(t)
	base := archived(t, file("base", "b"))
	one := r.Push(t, "a/one:1", layered(t, web, base, archived(t, file("one", "1"))))
	two := r.Push(t, "b/two:1", layered(t, web, base, archived(t, file("two", "2"))))
	same := r.Push(t, "c/same:7", layered(t, web, base, archived(t, file("two", "2"))))
	s := open(t, images.Config{})
	a, b, c := mustPull(t, s, one), mustPull(t, s, two), mustPull(t, s, same)
	if a.Layers[0] != b.Layers[0] || a.Layers[1] == b.Layers[1] {
		t.Errorf("layers %v and %v", a.Layers, b.Layers)
	}
	if b.Digest != c.Digest || !slices.Equal(b.Layers, c.Layers) {
		t.Errorf("the same image twice: %v, %v", b, c)
	}
}

func TestPull_AtOnceByMany(t *testing.T) {
	r := image.NewRegistry(t)
	ref := r.Push(t, "shop/web:1", webImage(t))
	s := open(t, images.Config{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.Pull(t.Context(), ref); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPull_RegistryTroubles(t *testing.T) {
	r := image.NewRegistry(t)
	ref := r.Push(t, "shop/web:1", webImage(t))
	dir := t.TempDir()
	s := open(t, images.Config{Dir: dir})
	_, err := s.Pull(soon(t), r.Addr()+"/shop/none:1")
	wantFailure(t, err, nodes.ImageNotFound, "there is no image", "/shop/none:1")
	r.Lock("ann", "secret")
	_, err = s.Pull(soon(t), ref)
	wantFailure(t, err, nodes.ImageUnauthorized, "docker login "+r.Addr())
	r.Lock("", "")
	r.Down()
	_, err = s.Pull(soon(t), ref)
	wantFailure(t, err, nodes.RegistryUnreachable, r.Addr(), "connection refused")
	wantNothingLeft(t, dir)
	r.Up(t)
	mustPull(t, s, ref)
}

func TestOpen_IsForOneAtATime(t *testing.T) {
	dir := t.TempDir()
	open(t, images.Config{Dir: dir})
	if _, err := images.Open(images.Config{Dir: dir}); err == nil {
		t.Fatal("opened twice")
	}
}
