package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/space"
	"github.com/bayplan/bayplan/schema"
)

// content is an archive that does not compress away.
func content(t testing.TB) []byte {
	body := make([]byte, 1<<20)
	for i := range body {
		body[i] = byte(i * 2654435761 >> 13)
	}
	return makeTar(t, entry{Name: "data", Body: string(body)})
}

func TestPull_AnotherContentThanItsSha256(t *testing.T) {
	s := newSite(t)
	a := s.offers(content(t))
	a.SHA256 = strings.Repeat("0", 64)
	s.wantFailure(s.Pull(t.Context(), a), nodes.ArtifactInvalid, "not what its sha256 says", s.artifact(content(t)).SHA256)
	s.wantNothing()
	if s.count() != 1 {
		t.Errorf("asked %d times for what will not change", s.count())
	}
}

func TestPull_WhatIsNoSha256IsNoPath(t *testing.T) {
	s := newSite(t)
	for _, sum := range []string{"", "../../../x", strings.Repeat("A", 64), strings.Repeat("0", 63)} {
		a := s.offers(content(t))
		a.SHA256 = sum
		s.wantFailure(s.Pull(t.Context(), a), nodes.ArtifactInvalid, "is no sha256")
	}
}

// breaks answers as a server that breaks off after n bytes, as often as it is
// asked to.
func (s *site) breaks(content []byte, n, times int) {
	whole := s.serve
	s.serve = func(w http.ResponseWriter, r *http.Request) {
		if times--; times < 0 {
			whole(w, r)
			return
		}
		from := 0
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(content[from : from+n])
		panic(http.ErrAbortHandler)
	}
}

func TestPull_ThatBreaksOffGoesOnWhereItWas(t *testing.T) {
	s, b := newSite(t), content(t)
	a := s.offers(b)
	s.breaks(b, 100_000, 3)
	if err := s.Pull(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "bytes=100000-", "bytes=200000-", "bytes=300000-"}; !slices.Equal(s.requests(), want) {
		t.Errorf("asked for %q, want %q", s.requests(), want)
	}
}

func TestPull_ThatAlwaysBreaksOffEnds(t *testing.T) {
	s, b := newSite(t), content(t)
	a := s.offers(b)
	s.breaks(b, 1000, 1000)
	s.wantFailure(s.Pull(t.Context(), a), nodes.ArtifactUnreachable, "breaks off in the middle")
	if s.count() != attempts {
		t.Errorf("asked %d times", s.count())
	}
	s.wantNothing()
}

// What an agent that died had fetched, the next one goes on with.
func TestPull_GoesOnWithWhatAnEarlierProcessLeft(t *testing.T) {
	b := content(t)
	for name, c := range map[string]struct {
		left  []byte
		asked []string
	}{
		"a part":             {b[:5000], []string{"bytes=5000-"}},
		"all of it":          {b, nil},
		"a part of another":  {[]byte("hello"), []string{"bytes=5-", ""}},
		"more than there is": {append(slices.Clone(b), 1), []string{fmt.Sprintf("bytes=%d-", len(b)+1), ""}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			a := s.offers(b)
			if err := os.WriteFile(s.path("partial", a.SHA256), c.left, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.Pull(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.requests(), c.asked) {
				t.Errorf("asked for %q, want %q", s.requests(), c.asked)
			}
			if left, _ := os.ReadDir(s.path("partial")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestPull_FromAServerThatCannotGoOn(t *testing.T) {
	s, b := newSite(t), content(t)
	a := s.offers(b)
	s.serve = func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }
	s.breaks(b, 1000, 1)
	if err := s.Pull(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

func TestPull_Answers(t *testing.T) {
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		code  nodes.FailureCode
		words string
		asked int
	}{
		"not found": {http.NotFound, nodes.ArtifactInvalid, "404 Not Found", 1},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, nodes.ArtifactInvalid, "403 Forbidden", 1},
		"broken":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, nodes.ArtifactUnreachable, "500 Internal Server Error", attempts},
		"too many":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, nodes.ArtifactUnreachable, "429 Too Many Requests", attempts},
		"a part":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206) }, nodes.ArtifactInvalid, "was not asked for", 1},
		"round":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", 302) }, nodes.ArtifactInvalid, "redirects 10 times", 1},
		"too large": {func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, io.LimitReader(zeros{}, 2<<20)) }, nodes.ArtifactInvalid, "larger than the 1 MiB", 1},
		"says so":   {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "2000000000") }, nodes.ArtifactInvalid, "larger than the 1 MiB", 1},
		"hangs up":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nodes.ArtifactUnreachable, "breaks off", attempts},
		"hangs":     {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nodes.ArtifactUnreachable, "timeout", attempts},
		"drips":     {drip, nodes.ArtifactUnreachable, "sends next to nothing", stallsBorne},
		"link-local": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest", 302)
		}, nodes.ArtifactInvalid, "which is 169.254.169.254: this machine or its cloud's inside", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(c *Config) { c.Stall, c.Limits.Packed = 100*time.Millisecond, 1<<20 })
			a := s.offers(content(t))
			s.serve = c.serve
			s.wantFailure(s.Pull(t.Context(), a), c.code, c.words)
			s.wantNothing()
			if s.count() != c.asked && name != "round" && name != "hangs up" { // the client itself asks again on a connection that was used before
				t.Errorf("asked %d times, want %d", s.count(), c.asked)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// drip sends a byte now and then for as long as it is listened to.
func drip(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		w.Write([]byte{0})
		w.(http.Flusher).Flush()
	}
}

func TestPull_NobodyThere(t *testing.T) {
	s := newSite(t)
	a := s.offers(content(t))
	s.srv.Close()
	s.wantFailure(s.Pull(t.Context(), a), nodes.ArtifactUnreachable, "connection refused")
}

func TestPull_ThatNobodyWantsAnyMore(t *testing.T) {
	s := newSite(t)
	a := s.offers(content(t))
	ctx, cancel := context.WithCancel(t.Context())
	s.serve = func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }
	if err := s.Pull(ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.wantNothing()
}

func TestPull_ThatTakesTooLong(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Deadline = 50 * time.Millisecond })
	a := s.offers(content(t))
	s.serve = drip
	s.wantFailure(s.Pull(t.Context(), a), nodes.ArtifactUnreachable, "the time for it is over")
}

func TestPull_OntoAFullDisk(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Limits.Reserve = 1 << 20 })
	a := s.offers(content(t))
	for _, x := range []struct {
		free int64
		code nodes.FailureCode
		text string
	}{
		{1<<20 - 1, nodes.DiskFull, "the node's disk is full"},
		{2<<20 - 1, nodes.PullFailed, "it does not fit on the node's disk"},
	} {
		s.disk = func() (space.Disk, error) { return space.Disk{Free: x.free}, nil }
		err := s.Pull(t.Context(), a)
		s.wantFailure(err, x.code, x.text)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v", err)
		}
		s.wantNothing()
	}
	s.disk = func() (space.Disk, error) { return space.Disk{Free: 1 << 40}, nil }
	if err := s.Pull(t.Context(), a); err != nil {
		t.Error(err)
	}
}

// The same archive in two places, wanted by many at once, is fetched by one of
// them at a time and is whole in both.
func TestPull_ManyAtOnce(t *testing.T) {
	s := newSite(t)
	here := s.offers(content(t))
	there := here
	there.Path = "/elsewhere"
	var all sync.WaitGroup
	for _, a := range slices.Repeat([]schema.Artifact{here, there}, 8) {
		all.Go(func() {
			if err := s.Pull(t.Context(), a); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if s.count() != 2 {
		t.Errorf("asked %d times for two trees", s.count())
	}
	if a, b := s.tree(here), s.tree(there); a == b {
		t.Errorf("both are in %s", a)
	}
	if len(s.turns.all) != 0 {
		t.Error("a turn was never given back")
	}
}

// A process that died in the middle leaves nothing that counts.
func TestOpen_ClearsWhatACrashLeft(t *testing.T) {
	s := newSite(t)
	a := s.offers(content(t))
	half := s.path("tmp", keyOf(&a), "fs", "srv")
	old := s.path("partial", "old")
	if err := errors.Join(os.MkdirAll(half, 0o700), os.WriteFile(old, nil, 0o600), os.Chtimes(old, time.Time{}, time.Now().Add(-25*time.Hour))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.cfg); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Fatalf("opened twice: %v", err)
	}
	s.Close()
	s.Store = open(t, s.cfg)
	s.wantNothing()
	if left, _ := os.ReadDir(s.path("partial")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if err := s.Pull(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Store = open(t, s.cfg)
	s.tree(a)
}

func TestUse_OfWhatIsNotThere(t *testing.T) {
	s := newSite(t)
	_, _, err := s.Use(s.offers(nil))
	s.wantFailure(err, nodes.ImageNotFound, "is not on this node")
}

func TestPrune_SparesWhatIsUsed(t *testing.T) {
	var inUse []string
	s := newSite(t, func(c *Config) {
		c.InUse = func(context.Context) ([]string, error) { return inUse, nil }
	})
	a := s.offers(content(t))
	pull := func(path string) schema.Artifact {
		b := a
		b.Path = path
		if err := s.Pull(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	held, used, idle, old := pull("/held"), pull("/used"), pull("/idle"), pull("/old")
	_, release, err := s.Use(held)
	if err != nil {
		t.Fatal(err)
	}
	inUse = []string{keyOf(&used)}
	for i, one := range []schema.Artifact{idle, old} {
		at := time.Now().Add(-time.Duration(i+1) * time.Hour)
		if err := os.Chtimes(s.about(keyOf(&one)), at, at); err != nil {
			t.Fatal(err)
		}
	}
	wantGone := func(unused time.Duration, want ...schema.Artifact) {
		t.Helper()
		var keys []string
		for _, w := range want {
			keys = append(keys, keyOf(&w))
		}
		if gone, err := s.Prune(t.Context(), unused); err != nil || !slices.Equal(keysOf(gone), keys) {
			t.Errorf("gone: %v, %v; want %v", gone, err, keys)
		}
	}
	wantGone(90*time.Minute, old)
	wantGone(0, idle)
	release()
	release()
	wantGone(0, held)
	all, err := s.List(t.Context())
	if err != nil || len(all) != 1 || !all[0].InUse || all[0].URL != used.URL || all[0].Format != formatTar {
		t.Errorf("got %+v, %v", all, err)
	}
	s.cfg.InUse = func(context.Context) ([]string, error) { return nil, io.ErrUnexpectedEOF }
	if _, err := s.Prune(t.Context(), 0); err == nil {
		t.Error("cleared without knowing what is in use")
	}
	s.tree(used)
}

// Above the mark the trees that were not used for longest go, and no more of them
// than it takes.
func TestCollect_GoesByLeastUse(t *testing.T) {
	s := newSite(t, func(c *Config) { c.InUse = func(context.Context) ([]string, error) { return nil, nil } })
	a := s.offers(content(t))
	var keys []string
	for i := range 3 {
		a.Path = fmt.Sprintf("/a%d", i)
		if err := s.Pull(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(s.about(keyOf(&a)), at, at); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, keyOf(&a))
	}
	s.disk = func() (space.Disk, error) {
		left, err := os.ReadDir(s.path("trees"))
		return space.Disk{Used: 50 + 15*len(left)}, err // 95, 80, 65
	}
	if gone, err := s.Collect(t.Context()); err != nil || !slices.Equal(keysOf(gone), keys[:2]) {
		t.Errorf("gone: %v, %v; want %v", gone, err, keys[:2])
	}
	if gone, err := s.Collect(t.Context()); err != nil || len(gone) > 0 {
		t.Errorf("gone below the mark: %v, %v", gone, err)
	}
}

// Whatever is unpacked stays in its folder, within its limits, and is nothing but
// files, folders and links.
func FuzzUnpack(f *testing.F) {
	plain := makeTar(f, app...)
	for _, b := range [][]byte{plain, makeGzip(f, plain), makeZstd(f, plain), makeZip(f, jar...), makeTar(f, entry{Name: "../x", Body: "x"}), []byte("hello")} {
		f.Add(b)
	}
	s := &Store{cfg: Config{Limits: Limits{Bytes: 1 << 20, Entries: 50, Depth: 5, Ratio: 100}}}
	s.disk = func() (space.Disk, error) { return space.Disk{Free: 1 << 40}, nil }
	yes := true
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		file, err := os.Create(filepath.Join(dir, "archive"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := io.Copy(file, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		file.Seek(0, io.SeekStart)
		got, err := s.unpack(t.Context(), &schema.Artifact{Path: "/a", Unpack: &yes}, file, filepath.Join(dir, "fs"))
		if _, isLocal := errors.AsType[*localError](err); isLocal {
			t.Errorf("the archive's fault is the node's: %v", err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 2 || got.Bytes > 1<<20+512<<10 && err == nil || got.Entries > 51 {
			t.Errorf("%d beside the archive, %+v", len(left)-1, got)
		}
		for line := range strings.SplitSeq(strings.TrimSpace(shape(t, filepath.Join(dir, "fs"))), "\n") {
			if line != "" && !strings.Contains("-dL", line[:1]) && !strings.HasPrefix(line, "dtrwxrwxrwx a") {
				t.Errorf("there is %s", line)
			}
		}
	})
}

// shape is every path of a folder with its mode.
func shape(t *testing.T, dir string) string {
	var all strings.Builder
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return nil // there is none where it was refused at once
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&all, "%s %q\n", info.Mode(), rel)
		if info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSymlink == 0 && rel != "a" {
			t.Errorf("anybody may write to %s", rel)
		}
		return nil
	})
	return all.String()
}

func keysOf(all []Entry) (keys []string) {
	for _, e := range all {
		keys = append(keys, e.Key)
	}
	return keys
}
