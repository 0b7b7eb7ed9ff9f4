package images_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/images"
)

func TestFaulty_InterruptedDownloadGoesOnWhereItStopped(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 1<<20))
	var broken, resumed atomic.Int32
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if r.Header.Get("Range") != "" {
			resumed.Add(1)
		}
		if broken.Add(1) > 2 {
			return false
		}
		return breakOff(w, r, body, len(body)/4)
	}
	mustPull(t, open(t, images.Config{}), ref)
	if resumed.Load() != 2 {
		t.Errorf("%d attempts went on where the last had stopped", resumed.Load())
	}
}

// breakOff sends n bytes of what was asked for and drops the connection.
func breakOff(w http.ResponseWriter, r *http.Request, body []byte, n int) bool {
	from := 0
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)-from))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	w.Write(body[from:min(from+n, len(body))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestFaulty_NextProcessGoesOnWhereTheLastStopped(t *testing.T) {
	f := newFaulty(t)
	ref, dir := f.add(t, "1", big(t, 1<<20)), t.TempDir()
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		return breakOff(w, r, body, len(body)/10)
	}
	s := open(t, images.Config{Dir: dir})
	_, err := s.Pull(soon(t), ref)
	wantFailure(t, err, nodes.RegistryUnreachable)
	wantNothingLeft(t, dir, "partial")
	s.Close()
	var from atomic.Value
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		from.Store(r.Header.Get("Range"))
		return false
	}
	mustPull(t, open(t, images.Config{Dir: dir}), ref)
	if got := fmt.Sprint(from.Load()); got == "" || strings.HasPrefix(got, "bytes=0-") {
		t.Errorf("asked for %q", got)
	}
	wantNothingHalf(t, dir)
}

func TestFaulty_SpoiledRestOfAnEarlierAttempt(t *testing.T) {
	var layerSize int
	for name, change := range map[string]func([]byte) []byte{
		"a bit":              func(b []byte) []byte { b[0] ^= 1; return b },
		"as long, but wrong": func(b []byte) []byte { return make([]byte, layerSize) },
		"longer":             func(b []byte) []byte { return make([]byte, 2<<20) },
		"empty":              func(b []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFaulty(t)
			ref, dir := f.add(t, "1", big(t, 1<<20)), t.TempDir()
			f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
				layerSize = len(body)
				return breakOff(w, r, body, len(body)/10)
			}
			s := open(t, images.Config{Dir: dir})
			s.Pull(soon(t), ref)
			s.Close()
			spoil(t, dir, change)
			f.blob = nil
			mustPull(t, open(t, images.Config{Dir: dir}), ref)
		})
	}
}

func TestFaulty_MirrorThatLiesAndBreaksOff(t *testing.T) {
	origin, mirror := newFaulty(t), newFaulty(t)
	img := big(t, 1<<20)
	ref := origin.add(t, "1", img)
	mirror.add(t, "1", img)
	mirror.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		return breakOff(w, r, make([]byte, len(body)), len(body)/2)
	}
	mustPull(t, open(t, images.Config{Mirrors: map[string][]string{origin.addr(): {mirror.addr()}}}), ref)
}

func TestFaulty_RegistryWithoutRanges(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 1<<20))
	first := atomic.Bool{}
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		r.Header.Del("Range")
		return !first.Swap(true) && breakOff(w, r, body, len(body)/2)
	}
	mustPull(t, open(t, images.Config{}), ref)
}

func TestFaulty_WrongContent(t *testing.T) {
	noisy := func(body []byte) []byte { b := bytes.Clone(body); b[len(b)/2] ^= 1; return b }
	for name, c := range map[string]struct {
		serve func(w http.ResponseWriter, body []byte)
		code  nodes.FailureCode
		words string
	}{
		"one bit":   {func(w http.ResponseWriter, b []byte) { w.Write(noisy(b)) }, nodes.PullFailed, "is not what its digest says"},
		"too short": {func(w http.ResponseWriter, b []byte) { w.Write(b[:len(b)-5]) }, nodes.RegistryUnreachable, "breaks off in the middle"},
		"too long":  {func(w http.ResponseWriter, b []byte) { w.Write(append(bytes.Clone(b), 'x')) }, nodes.PullFailed, "longer than"},
		"lost":      {func(w http.ResponseWriter, b []byte) { lost(w) }, nodes.PullFailed, "has lost a part of it"},
		"ill":       {func(w http.ResponseWriter, b []byte) { w.WriteHeader(503) }, nodes.RegistryUnreachable, "status 503"},
		"too often": {func(w http.ResponseWriter, b []byte) { w.WriteHeader(429) }, nodes.PullFailed, "no more pulls for now"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			ref, dir := f.add(t, "1", big(t, 100<<10)), t.TempDir()
			f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool { c.serve(w, body); return true }
			_, err := open(t, images.Config{Dir: dir}).Pull(soon(t), ref)
			wantFailure(t, err, c.code, c.words)
			wantNothingLeft(t, dir, "partial")
		})
	}
}

func lost(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(404)
	json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": "BLOB_UNKNOWN", "message": "gone"}}})
}

// How far a pull is can be asked for while it is under way, and not after.
func TestTransfer_TellsHowFarItIs(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 1<<20))
	s := open(t, images.Config{})
	var done, total int64
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		waitFor(t, func() bool { done, total, _ = s.Fetched(ref); return done > 0 })
		w.Write(body[len(body)/2:])
		return true
	}
	if _, _, ok := s.Fetched(ref); ok {
		t.Error("it tells of a pull that has not begun")
	}
	mustPull(t, s, ref)
	if done <= 0 || done >= total || total < 1<<20 {
		t.Errorf("%d of %d bytes", done, total)
	}
	if _, _, ok := s.Fetched(ref); ok {
		t.Error("it tells of a pull that has ended")
	}
}
