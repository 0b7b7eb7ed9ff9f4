package images_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/images"
)

func TestFaulty_DripsAndHangs(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(w http.ResponseWriter, r *http.Request, body []byte)
		words string
	}{
		"drips":             {func(w http.ResponseWriter, r *http.Request, body []byte) { drip(w, r, body, 20*time.Millisecond) }, "hangs: it sent"},
		"hangs in the body": {func(w http.ResponseWriter, r *http.Request, body []byte) { drip(w, r, body, time.Hour) }, "hangs: it sent 1 bytes within 300ms"},
		"hangs at once":     {func(w http.ResponseWriter, r *http.Request, body []byte) { <-r.Context().Done() }, "does not answer: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			ref, dir := f.add(t, "1", big(t, 100<<10)), t.TempDir()
			f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool { c.serve(w, r, body); return true }
			s := open(t, images.Config{Dir: dir, Stall: 300 * time.Millisecond})
			_, err := s.Pull(soon(t), ref)
			wantFailure(t, err, nodes.RegistryUnreachable, f.addr(), c.words)
			wantNothingLeft(t, dir, "partial")
		})
	}
}

func TestFaulty_RegistryThatNeverSaysAWord(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // connections wait in its queue
	dir := t.TempDir()
	s := open(t, images.Config{Dir: dir, Stall: 200 * time.Millisecond})
	_, err = s.Pull(soon(t), l.Addr().String()+"/shop/web:1")
	wantFailure(t, err, nodes.RegistryUnreachable, l.Addr().String(), "does not answer", "timeout")
	wantNothingLeft(t, dir)
}

func TestFaulty_CloseEndsPulls(t *testing.T) {
	f := newFaulty(t)
	ref, dir := f.add(t, "1", big(t, 100<<10)), t.TempDir()
	asked := make(chan struct{}, 1)
	f.blob = func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		asked <- struct{}{}
		<-r.Context().Done()
		return true
	}
	s := open(t, images.Config{Dir: dir})
	ended := make(chan error, 1)
	go func() { _, err := s.Pull(t.Context(), ref); ended <- err }()
	<-asked
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, <-ended, nodes.EngineDown, "the image store is closed")
	if _, err := s.Pull(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "the image store is closed") {
		t.Errorf("afterwards: %v", err)
	}
	wantNothingLeft(t, dir)
}

// drip sends a byte at a time.
func drip(w http.ResponseWriter, r *http.Request, body []byte, every time.Duration) {
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	tick := time.NewTicker(every)
	defer tick.Stop()
	for _, b := range body {
		w.Write([]byte{b})
		w.(http.Flusher).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

func TestFaulty_DeadlineEndsAPull(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 100<<10))
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool { <-r.Context().Done(); return true }
	_, err := open(t, images.Config{Deadline: 200 * time.Millisecond}).Pull(soon(t), ref)
	wantFailure(t, err, nodes.RegistryUnreachable, "the time for a pull is over: 200ms")
}

func TestFaulty_ManyPullsAskOnce(t *testing.T) {
	f := newFaulty(t)
	noise := make([]byte, 5000)
	rand.Read(noise)
	base := archived(t, file("base", string(noise)))
	refs := []string{
		f.add(t, "1", layered(t, v1.Config{}, base, archived(t, file("1", "x")))),
		f.add(t, "2", layered(t, v1.Config{User: "x"}, base, archived(t, file("2", "x")))),
	}
	all := make(chan struct{})
	f.blob = func(http.ResponseWriter, *http.Request, []byte) bool { <-all; return false }
	s := open(t, images.Config{})
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			if _, err := s.Pull(t.Context(), refs[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	waitFor(t, func() bool { return images.Waiting(s) == 30 })
	close(all)
	wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, n := range f.asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", k, n)
		}
	}
}

func TestFaulty_WhoGivesUpEndsOnlyHisOwnWait(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", big(t, 100<<10))
	asked, goOn := make(chan struct{}, 10), make(chan struct{})
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		asked <- struct{}{}
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		return false
	}
	s := open(t, images.Config{})
	patient := make(chan error, 1)
	hasty, give := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() { _, err := s.Pull(hasty, ref); gaveUp <- err }()
	<-asked
	go func() { _, err := s.Pull(t.Context(), ref); patient <- err }()
	waitFor(t, func() bool { return images.Waiting(s) == 2 })
	give()
	if err := <-gaveUp; err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("who gave up got %v", err)
	}
	close(goOn)
	if err := <-patient; err != nil {
		t.Error(err)
	}
	if n := f.times("blobs/"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestFaulty_NobodyWaitsEndsThePull(t *testing.T) {
	f := newFaulty(t)
	ref, dir := f.add(t, "1", big(t, 100<<10)), t.TempDir()
	asked, ended := make(chan struct{}), make(chan struct{})
	f.blob = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		close(asked)
		<-r.Context().Done()
		close(ended)
		return true
	}
	s := open(t, images.Config{Dir: dir})
	ctx, give := context.WithCancel(t.Context())
	go func() { <-asked; give() }()
	if _, err := s.Pull(ctx, ref); err == nil {
		t.Fatal("pulled")
	}
	<-ended
	f.blob = nil
	mustPull(t, s, ref)
}

// waitFor polls: what is waited for is inside the package and tells nobody.
func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestProgress_ReachesItsEnd(t *testing.T) {
	f := newFaulty(t)
	ref := f.add(t, "1", layered(t, v1.Config{}, archived(t, file("a", "1")), archived(t, file("b", "2"))))
	var told []images.Progress
	s := open(t, images.Config{Parallel: 1, Progress: func(p images.Progress) { told = append(told, p) }})
	mustPull(t, s, ref)
	if len(told) == 0 {
		t.Fatal("nothing was told")
	}
	last := told[len(told)-1]
	if last.Image != ref || last.Done != last.Total || last.Total == 0 {
		t.Errorf("the last word was %+v", last)
	}
}
