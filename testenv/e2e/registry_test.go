package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bayplan/bayplan/nodes/native/space"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/testenv/image"
)

// What a registry sends is not what it should be, or does not come: the commit
// says so, the version before runs on, and nothing half is kept.
func TestE2E_BadImages(t *testing.T) {
	t.Parallel()
	s := buildOn(t, builtIn{})
	tmpfs(t, filepath.Join(s.dir, "n1"), onDisk)
	s.up(1)
	s.put("shop/web", sleeper+"\treplicas: 2\n")
	s.put("shop/victim", sleeper)
	s.wantOutcome(s.commit("what runs well"), reconciler.Applied)
	web := s.of("shop/web")
	for _, bad := range []struct {
		name string
		test func(*site)
	}{
		{"no image for this platform", otherPlatform},
		{"layer that is cut short", cutShort},
		{"layer that is not what its digest says", notItsDigest},
		{"disk that is full while a layer is unpacked", fullWhileUnpacking},
		{"registry that is slow", slow},
		{"registry that drips", drips},
	} {
		t.Run(bad.name, func(t *testing.T) {
			sub := s.in(t)
			bad.test(sub)
			wantSame(t, "shop/web beside it", web, sub.of("shop/web"))
			sub.clear()
			wantNothingHalf(sub)
		})
	}
}

// wantNothingHalf wants nothing of what is being unpacked to be left once nobody
// pulls. What was fetched of a blob stays for the next attempt.
func wantNothingHalf(s *site) {
	s.t.Helper()
	s.eventually("end of all unpacking", func() bool {
		left, err := os.ReadDir(filepath.Join(s.dir, "n1", "images", "tmp"))
		return err == nil && len(left) == 0
	})
}

// fails deploys the image as the victim's next version, which it does not become.
func (s *site) fails(ref, deadline, why string) {
	s.t.Helper()
	victim := s.of("shop/victim")
	s.put("shop/victim", strings.NewReplacer("IMAGE", ref, "PROGRESS", deadline).Replace(sleeper))
	s.wantReason(s.commit("an image that cannot be had"), reconciler.RolledBack, "shop/victim.0 on n1", why)
	s.wantProblem("rolled-back", []string{"shop/victim", why}, "push")
	wantSame(s.t, "shop/victim", victim, s.of("shop/victim"))
}

func otherPlatform(s *site) {
	other := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	other = mutate.AppendManifests(other, mutate.IndexAddendum{
		Add:        image.Program(s.t, "other"),
		Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}},
	})
	ref := s.registry.Addr() + "/test/other:1"
	parsed, err := name.ParseReference(ref)
	if err == nil {
		err = remote.WriteIndex(parsed, other)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.fails(ref, "3s", "it is not made for linux/"+runtime.GOARCH+" but for linux/s390x")
}

func cutShort(s *site) {
	ref := s.faulty("cut", func(w http.ResponseWriter, layer []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(layer)))
		w.Write(layer[:len(layer)/2])
		panic(http.ErrAbortHandler)
	})
	s.fails(ref, "8s", "breaks off in the middle")
}

func notItsDigest(s *site) {
	ref := s.faulty("wrong", func(w http.ResponseWriter, layer []byte) {
		layer = bytes.Clone(layer)
		layer[len(layer)/2] ^= 1
		w.Write(layer)
	})
	s.fails(ref, "8s", "is not what its digest says")
}

// fullWhileUnpacking is a layer that is small as it travels and does not fit.
func fullWhileUnpacking(s *site) {
	img := withFiles(s.t, image.Program(s.t, "large"), map[string][]byte{"zeros": make([]byte, onDisk)})
	s.registry.Push(s.t, "test/large:1", img)
	ref := s.registry.Addr() + "/test/large:1"
	before := free(s.t, filepath.Join(s.dir, "n1"))
	s.fails(ref, "8s", "it does not fit on the node's disk")
	wantText(s.t, "events", s.shell("bayplan events"), "n1", "it does not fit on the node's disk")
	s.eventually("the room that was taken", func() bool { return before-free(s.t, filepath.Join(s.dir, "n1")) < 4<<20 })
}

// free is the room on a folder's disk.
func free(t *testing.T, dir string) int64 {
	t.Helper()
	disk, err := space.Of(dir)
	if err != nil {
		t.Fatal(err)
	}
	return disk.Free
}

// slow sends as much as a modem, so that nothing is wrong but the time.
func slow(s *site) {
	ref := s.faulty("slow", func(w http.ResponseWriter, layer []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(layer)))
		for len(layer) > 0 {
			n, err := w.Write(layer[:min(len(layer), 32<<10)])
			if err != nil {
				return
			}
			w.(http.Flusher).Flush()
			layer = layer[n:]
			<-time.After(time.Second)
		}
	})
	s.fails(ref, "8s", "is still pulling "+ref+" (")
	wantText(s.t, "the reason", s.shell("bayplan events shop/victim"), "i of ")
}

// drips sends a byte now and then, so that no time-out of a connection is over.
// It is given up after the second half minute in which next to nothing came.
func drips(s *site) {
	ref := s.faulty("drips", func(w http.ResponseWriter, layer []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(layer)))
		for i := range layer {
			if _, err := w.Write(layer[i : i+1]); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			<-time.After(time.Second)
		}
	})
	s.fails(ref, "90s", "hangs: it sent")
}

// faulty is the name of an image in a registry that answers with send when it is
// asked for the image's last layer, of a megabyte.
func (s *site) faulty(version string, send func(w http.ResponseWriter, layer []byte)) string {
	s.t.Helper()
	layer, err := random.Layer(1<<20, types.OCILayer)
	if err != nil {
		s.t.Fatal(err)
	}
	img, err := mutate.AppendLayers(image.Program(s.t, version), layer)
	if err != nil {
		s.t.Fatal(err)
	}
	s.registry.Push(s.t, "test/faulty:"+version, img)
	digest, _ := layer.Digest()
	compressed, err := layer.Compressed()
	if err != nil {
		s.t.Fatal(err)
	}
	content, err := io.ReadAll(compressed)
	if err != nil {
		s.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.registry.Addr()})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, digest.String()) {
			send(w, content)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	s.t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	return front.Listener.Addr().String() + "/test/faulty:" + version
}
