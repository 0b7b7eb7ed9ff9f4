package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// served is a server on a free loopback port.
type served struct {
	url  string
	stop context.CancelFunc
	// err yields what serve returned.
	err <-chan error
}

func start(t *testing.T, h http.Handler, leave func()) served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l, h, leave) }()
	return served{"http://" + l.Addr().String(), cancel, done}
}

// end stops the server and wants it to have ended well.
func (s served) end(t *testing.T) {
	t.Helper()
	s.stop()
	if err := <-s.err; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(body))
}

func TestRoot_TellsVersionSlotAndNode(t *testing.T) {
	for _, c := range []struct {
		h    *hello
		want string
	}{
		{&hello{version: "1"}, "hello version 1"},
		{&hello{version: "2", slot: "hello/web.0", node: "n1"}, "hello version 2 from hello/web.0 on n1"},
	} {
		s := start(t, c.h.routes(), func() {})
		if code, body := get(t, s.url+"/?wait=1ms"); code != 200 || body != c.want {
			t.Errorf("GET /: %d %q, want %q", code, body, c.want)
		}
		if code, _ := get(t, s.url+"/elsewhere"); code != 404 {
			t.Errorf("GET /elsewhere: %d", code)
		}
		s.end(t)
	}
}

func TestUp_BadIsNeverHealthy(t *testing.T) {
	s := start(t, (&hello{version: "bad"}).routes(), func() {})
	if code, _ := get(t, s.url+"/up"); code != 503 {
		t.Errorf("GET /up: %d", code)
	}
	if code, _ := get(t, s.url+"/"); code != 200 {
		t.Errorf("GET /: %d", code)
	}
	s.end(t)
}

func TestServe_DrainingAnswersButIsNotUp(t *testing.T) {
	h := &hello{version: "1"}
	leaving, release := make(chan struct{}), make(chan struct{})
	s := start(t, h.routes(), func() { h.leave(0); close(leaving); <-release })
	if code, _ := get(t, s.url+"/up"); code != 200 {
		t.Errorf("GET /up before: %d", code)
	}
	s.stop()
	<-leaving
	if code, body := get(t, s.url+"/up"); code != 503 || body != "draining" {
		t.Errorf("GET /up while draining: %d %q", code, body)
	}
	if code, _ := get(t, s.url+"/"); code != 200 {
		t.Errorf("GET / while draining: %d", code)
	}
	close(release)
	s.end(t)
}

func TestServe_RequestInFlightIsAnswered(t *testing.T) {
	arrived, release, answer := make(chan struct{}), make(chan struct{}), make(chan string)
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		io.WriteString(w, "late")
	})
	s := start(t, slow, func() { close(release) })
	go func() {
		_, body := get(t, s.url)
		answer <- body
	}()
	<-arrived
	s.stop()
	if body := <-answer; body != "late" {
		t.Errorf("in flight: %q", body)
	}
	s.end(t)
}

func TestCheck_SaysWhatUpSays(t *testing.T) {
	for version, healthy := range map[string]bool{"1": true, "bad": false} {
		s := start(t, (&hello{version: version}).routes(), func() {})
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
		if err := check(port); (err == nil) != healthy {
			t.Errorf("check of version %s: %v", version, err)
		}
		s.end(t)
	}
}

func TestDrainTime_WrongIsRefused(t *testing.T) {
	t.Setenv("DRAIN", "soon")
	if _, err := drainTime(); err == nil || !strings.Contains(err.Error(), `DRAIN "soon"`) {
		t.Errorf("got %v", err)
	}
}
