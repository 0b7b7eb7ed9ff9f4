package source

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// meddler stands before a server and changes the packs that it sends.
type meddler struct {
	*httptest.Server
	meddle atomic.Pointer[func(io.ReadCloser) io.ReadCloser]
}

func meddleWith(t *testing.T, g *gitServer) *meddler {
	t.Helper()
	to, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	m := &meddler{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	proxy.ErrorLog = g.Config.ErrorLog
	proxy.ModifyResponse = func(res *http.Response) error {
		if f := m.meddle.Load(); f != nil && res.Request.Method == http.MethodPost {
			res.Body = (*f)(res.Body)
			res.ContentLength = -1
			res.Header.Del("Content-Length")
		}
		return nil
	}
	m.Server = httptest.NewServer(proxy)
	m.Config.ErrorLog = g.Config.ErrorLog
	t.Cleanup(m.Close)
	return m
}

// drip gives a byte now and then, until who reads is gone.
type drip struct{ io.ReadCloser }

func (d drip) Read(b []byte) (int, error) {
	<-time.After(10 * time.Millisecond) // the line's own pace
	return d.ReadCloser.Read(b[:1])
}

// altered passes a body on with something done to all of it.
func altered(by func([]byte) []byte) func(io.ReadCloser) io.ReadCloser {
	return func(body io.ReadCloser) io.ReadCloser {
		defer body.Close()
		all, err := io.ReadAll(body)
		if err != nil {
			return io.NopCloser(strings.NewReader(""))
		}
		return io.NopCloser(bytes.NewReader(by(all)))
	}
}

// Whatever the line does to a transfer, the commit before stays, nothing is left
// behind, and the next good transfer is taken.
func TestHostile_Transfers(t *testing.T) {
	for name, test := range map[string]struct {
		meddle func(io.ReadCloser) io.ReadCloser
		code   string
	}{
		"truncated": {altered(func(b []byte) []byte { return b[:2*len(b)/3] }), CodeUnreachable},
		"corrupt pack": {altered(func(b []byte) []byte {
			b[bytes.Index(b, []byte("PACK"))+20] ^= 0xff
			return b
		}), CodeCorrupt},
		"a byte now and then": {func(b io.ReadCloser) io.ReadCloser { return drip{b} }, CodeUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			first := r.push("a.cue", "one", "first")
			g := serveHTTP(t, r, (*httptest.Server).Start)
			m := meddleWith(t, g)
			cfg := g.config(t, r)
			cfg.URL, cfg.FetchTimeout = m.URL+"/repo.git", time.Second
			w := watch(t, cfg)
			good := w.tip(first)
			second := r.push("a.cue", incompressible(), "second")
			m.meddle.Store(&test.meddle)
			began := time.Now()
			w.s.Poke()
			t.Log(w.trouble(test.code).Text)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("after %s", took)
			}
			if got := content(t, good.Files, "a.cue"); got != "one" {
				t.Errorf("content %q", got)
			}
			if left, _ := filepath.Glob(filepath.Join(cfg.Dir, "mirror-*", "objects", "pack", "tmp*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			m.meddle.Store(nil)
			w.s.Poke()
			w.tip(second)
		})
	}
}

// forgedServer speaks just enough of the protocol to send any pack.
func forgedServer(t *testing.T, commit string, pack []byte) string {
	line := func(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			_, _ = io.WriteString(w, line("NAK\n"))
			_, _ = w.Write(pack)
			return
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = io.WriteString(w, line("# service=git-upload-pack\n")+"0000"+line(commit+" refs/heads/main\x00ofs-delta\n")+"0000")
	}))
	t.Cleanup(s.Close)
	return s.URL + "/repo.git"
}

// A file of 2 GB in a push of some MB costs no memory.
func TestHostile_TwoGigabytesInSomeMegabytes(t *testing.T) {
	var body bytes.Buffer
	size := uint64(2 << 30)
	body.Write(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("PACK"), 2), 1))
	c := byte(3<<4) | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		body.WriteByte(c | 0x80)
		c = byte(size & 0x7f)
	}
	body.WriteByte(c)
	z, zeros := zlib.NewWriter(&body), make([]byte, 1<<20)
	for range 64 { // the rest would be more of the same
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	sum := sha1.Sum(body.Bytes())
	cfg := Config{Dir: t.TempDir(), Poll: time.Hour, Log: testLog(t), URL: forgedServer(t, strings.Repeat("12", 20), append(body.Bytes(), sum[:]...))}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := watch(t, cfg)
	if got := w.trouble(CodeTooLarge).Text; !strings.Contains(got, "2147483648") {
		t.Errorf("trouble %q", got)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
		t.Errorf("%d MB allocated", used>>20)
	}
}

// A redirect leads to no other scheme, and takes no password to another host.
func TestHostile_Redirects(t *testing.T) {
	r := newRepo(t)
	r.push("a.cue", "one", "first")
	told := make(chan string, 10)
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		told <- req.Header.Get("Authorization")
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer thief.Close()
	for name, to := range map[string]string{"file": "file://" + r.bare + "/info/refs", "another host": strings.Replace(thief.URL, "127.0.0.1", "localhost", 1) + "/repo.git/info/refs?service=git-upload-pack"} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
			defer s.Close()
			cfg := r.config()
			cfg.URL, cfg.TokenFile = s.URL+"/repo.git", file(t, "s3cret")
			w := watch(t, cfg)
			if u := w.next(); u.Tip != nil || u.Trouble == nil {
				t.Fatalf("update %s", show(u))
			} else {
				t.Log(u.Trouble.Code, u.Trouble.Text)
			}
		})
	}
	for len(told) > 0 {
		if auth := <-told; auth != "" {
			t.Errorf("another host was told %q", auth)
		}
	}
}
