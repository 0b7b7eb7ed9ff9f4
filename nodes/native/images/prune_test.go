package images_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/testenv/image"
)

// used is a store with the images a, b and c, of which a and b share a layer,
// pulled in this order; inUse is what containers are said to use.
type used struct {
	*images.Store
	dir     string
	a, b, c images.Image
	mu      sync.Mutex
	inUse   []string
	err     error
}

func newUsed(t *testing.T) *used {
	u := &used{dir: t.TempDir()}
	u.Store = open(t, images.Config{Dir: u.dir, InUse: u.digests})
	r := image.NewRegistry(t)
	base := archived(t, file("base", "123"))
	for name, img := range map[string]*images.Image{"a": &u.a, "b": &u.b, "c": &u.c} {
		layers := [][]byte{base, archived(t, file(name, name))}
		if name == "c" {
			layers = layers[1:]
		}
		*img = mustPull(t, u.Store, r.Push(t, name+":1", layered(t, v1.Config{}, layers...)))
	}
	for i, img := range []images.Image{u.a, u.b, u.c} {
		u.age(t, img, time.Duration(3-i)*time.Hour)
	}
	return u
}

func (u *used) digests(context.Context) ([]string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.inUse), u.err
}

// age makes the image's last use lie back, and has the store read it.
func (u *used) age(t *testing.T, img images.Image, by time.Duration) {
	t.Helper()
	images.Age(u.Store, img.Digest, time.Now().Add(-by))
}

// left are the images that are there, by their first letters.
func (u *used) left() string {
	var s string
	for name, img := range map[string]images.Image{"a": u.a, "b": u.b, "c": u.c} {
		if _, err := os.Stat(filepath.Join(u.dir, "images", strings.TrimPrefix(img.Digest, "sha256:")+".json")); err == nil {
			s += name
		}
		for _, l := range img.Layers {
			if _, err := os.Stat(l); err != nil && strings.Contains(s, name) {
				s += "!"
			}
		}
	}
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

func (u *used) want(t *testing.T, left string, layers int) {
	t.Helper()
	dirs, err := os.ReadDir(filepath.Join(u.dir, "layers"))
	if err != nil {
		t.Fatal(err)
	}
	if got := u.left(); got != left || len(dirs) != layers {
		t.Errorf("left are %q with %d layers, want %q with %d", got, len(dirs), left, layers)
	}
	wantNothingHalf(t, u.dir)
}

func TestPrune_KeepsWhatIsUsed(t *testing.T) {
	u := newUsed(t)
	u.inUse = []string{u.b.Digest}
	got, err := u.Prune(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	u.want(t, "b", 2)
	if !slices.Equal(got.Images, []string{u.a.Digest, u.c.Digest}) || got.Layers != 2 || got.Bytes != 2 {
		t.Errorf("it says %+v", got)
	}
	u.inUse = nil
	if _, err := u.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	u.want(t, "", 0)
}

func TestPrune_KeepsWhatIsYoung(t *testing.T) {
	u := newUsed(t)
	if _, err := u.Prune(t.Context(), 150*time.Minute); err != nil {
		t.Fatal(err)
	}
	u.want(t, "bc", 3)
}

func TestPrune_KeepsAllWhereUseIsUnknown(t *testing.T) {
	u := newUsed(t)
	u.err = errors.New("no inventory")
	if _, err := u.Prune(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "images in use: no inventory") {
		t.Errorf("got %v", err)
	}
	u.want(t, "abc", 4)
	if _, err := open(t, images.Config{}).Prune(t.Context(), 0); err == nil {
		t.Error("a store that nobody tells cleared")
	}
}

func TestPrune_KeepsLayersWhereAnImageInUseIsUnknown(t *testing.T) {
	u := newUsed(t)
	u.inUse = []string{"sha256:" + strings.Repeat("0", 64)}
	if _, err := u.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	u.want(t, "", 4)
}

func TestPrune_KeepsWhatIsHeld(t *testing.T) {
	u := newUsed(t)
	_, release, err := u.Use(u.a.Digest)
	if err != nil {
		t.Fatal(err)
	}
	u.Prune(t.Context(), 0)
	u.want(t, "a", 2)
	release()
	release()
	u.Prune(t.Context(), 0)
	u.want(t, "", 0)
}

// An image that is held while the images in use are asked for, and let go of
// since its use is now written down, must stay.
func TestPrune_KeepsWhatCameIntoUseMeanwhile(t *testing.T) {
	u := newUsed(t)
	_, release, err := u.Use(u.a.Digest)
	if err != nil {
		t.Fatal(err)
	}
	s := u.Store
	images.SetInUse(s, func(context.Context) ([]string, error) {
		release() // after the list was made
		return nil, nil
	})
	s.Prune(t.Context(), 0)
	u.want(t, "a", 2)
}

func TestCollect_ClearsByLeastUseBetweenTheMarks(t *testing.T) {
	u := newUsed(t)
	images.SetDisk(u.Store, func() int {
		dirs, _ := os.ReadDir(filepath.Join(u.dir, "layers"))
		return 80 + 3*len(dirs) // 92 % with 4 layers
	})
	got, err := u.Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// a goes and its own layer with it, 89; b with two more, 83; c is the rest.
	u.want(t, "", 0)
	if !slices.Equal(got.Images, []string{u.a.Digest, u.b.Digest, u.c.Digest}) {
		t.Errorf("in this order: %v", got.Images)
	}
}

func TestCollect_StopsAtTheLowerMark(t *testing.T) {
	u := newUsed(t)
	images.SetDisk(u.Store, func() int {
		dirs, _ := os.ReadDir(filepath.Join(u.dir, "layers"))
		return 60 + 10*len(dirs)
	})
	if _, err := u.Collect(t.Context()); err != nil { // 100, 90, 70
		t.Fatal(err)
	}
	u.want(t, "c", 1)
	if got, err := u.Collect(t.Context()); err != nil || len(got.Images) > 0 { // 70 is below the upper mark
		t.Errorf("again: %v, %v", got, err)
	}
}

func TestTend_CollectsWhenTheDiskFillsUp(t *testing.T) {
	t.Run("in time", func(t *testing.T) { testTend(t, func(chan struct{}) { time.Sleep(time.Minute) }) })
	t.Run("when it is asked to", func(t *testing.T) { testTend(t, func(soon chan struct{}) { soon <- struct{}{} }) })
}

func testTend(t *testing.T, filled func(soon chan struct{})) {
	u := newUsed(t)
	var full atomic.Bool
	images.SetDisk(u.Store, func() int {
		if full.Load() {
			return 90
		}
		return 50
	})
	synctest.Test(t, func(t *testing.T) {
		for _, img := range []images.Image{u.a, u.b, u.c} {
			u.age(t, img, time.Hour) // by the bubble's clock
		}
		ctx, stop := context.WithCancel(t.Context())
		var tending sync.WaitGroup
		soon, went := make(chan struct{}), 0
		tending.Go(func() { u.Tend(ctx, time.Minute, soon, func(p images.Pruned) { went += len(p.Images) }) })
		time.Sleep(90 * time.Second)
		synctest.Wait()
		u.want(t, "abc", 4)
		full.Store(true)
		filled(soon)
		synctest.Wait()
		stop()
		tending.Wait()
		u.want(t, "", 0)
		if went != 3 {
			t.Errorf("told of %d that went", went)
		}
	})
}

func TestList_TellsWhatThereIs(t *testing.T) {
	u := newUsed(t)
	u.inUse = []string{u.c.Digest}
	list, err := u.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		name, _, _ := strings.Cut(e.Names[0][strings.LastIndex(e.Names[0], "/")+1:], "@")
		got = append(got, fmt.Sprintf("%s %d %v", name, e.Size, e.InUse))
	}
	if want := []string{"c 1 true", "b 4 false", "a 4 false"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Pulls, uses and clearings at once: what is held is always whole.
func TestPrune_WhilePullsGoOn(t *testing.T) {
	r := image.NewRegistry(t)
	base := archived(t, file("base", strings.Repeat("b", 100)))
	var refs []string
	for i := range 4 {
		refs = append(refs, r.Push(t, fmt.Sprint("i:", i), layered(t, v1.Config{}, base, archived(t, file(fmt.Sprint(i), "x")))))
	}
	s := open(t, images.Config{InUse: func(context.Context) ([]string, error) { return nil, nil }})
	var pulls, clears sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		clears.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.Prune(t.Context(), 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 4 {
		pulls.Go(func() { pullAndLook(t, s, refs, uint64(i)) })
	}
	pulls.Wait()
	close(stop)
	clears.Wait()
}

func pullAndLook(t *testing.T, s *images.Store, refs []string, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		ref := refs[rnd.IntN(len(refs))]
		if _, err := s.Pull(t.Context(), ref); err != nil {
			t.Error(err)
			return
		}
		img, release, err := s.Use(ref)
		if err != nil {
			continue // cleared in between
		}
		for _, l := range img.Layers {
			if _, err := os.ReadDir(l); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(img.Layers[0] + "/base"); err != nil {
			t.Error(err)
		}
		release()
	}
}
