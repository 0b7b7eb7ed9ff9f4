package docker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/docker"
)

// api is the part of the Engine's API that a test needs, on a socket, and what
// was asked of it. Without a handler a request is answered with 404.
type api struct {
	version  string // the highest that it speaks
	handlers map[string]http.HandlerFunc

	mu    sync.Mutex
	asked []string
	host  string
}

func newAPI(t *testing.T, version string) *api {
	a := &api{version: version, handlers: map[string]http.HandlerFunc{}}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: a}}
	s.Start()
	t.Cleanup(s.Close)
	a.host = "unix://" + path
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Api-Version", a.version)
	w.Header().Set("Ostype", "linux")
	if strings.HasSuffix(q.URL.Path, "/_ping") {
		return
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(q.URL.Path, "/"), "/")
	call := q.Method + " " + path
	a.mu.Lock()
	a.asked = append(a.asked, call)
	h := a.handlers[call]
	a.mu.Unlock()
	if h == nil {
		http.Error(w, `{"message":"No such thing: `+call+`"}`, http.StatusNotFound)
		return
	}
	h(w, q)
}

func (a *api) count(call string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.asked {
		if c == call {
			n++
		}
	}
	return n
}

func answer(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(v) }
}

func (a *api) runtime(t *testing.T) *docker.Runtime {
	return open(t, docker.Config{Host: a.host, Cluster: "c", Node: "n", Patience: 50 * time.Millisecond})
}

// box is a running container as an inspection shows it.
func box(id string) map[string]any {
	return map[string]any{
		"Id": id, "State": map[string]any{"Status": "running", "Running": true, "StartedAt": "2026-01-02T03:04:05.6Z"},
		"Config": map[string]any{"Labels": map[string]string{
			"io.bayplan.cluster": "c", "io.bayplan.node": "n", "io.bayplan.id": "t/w.0@" + id, "io.bayplan.slot": "t/w.0", "io.bayplan.ports": `{"http":30000}`,
		}},
		"NetworkSettings": map[string]any{"Networks": map[string]any{"bridge": map[string]any{"IPAddress": "172.17.0.2"}}},
	}
}

// listed is the same container in a list.
func listed(r *docker.Runtime, id, state string) map[string]any {
	labels := box(id)["Config"].(map[string]any)["Labels"].(map[string]string)
	return map[string]any{"Id": id, "State": state, "Labels": labels, "Names": []string{"/" + r.ContainerName(labels["io.bayplan.id"])}}
}

func TestStart_TakesThreeCalls(t *testing.T) {
	a := newAPI(t, "1.41")
	a.handlers["POST containers/create"] = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"Id":"abc"}`)
	}
	a.handlers["POST containers/abc/start"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	a.handlers["GET containers/abc/json"] = answer(box("abc"))
	s := start(t, a.runtime(t), instance("web:1", "w", 0))
	if s.Container != "abc" || s.State != agent.StateRunning || s.Address != "172.17.0.2" || s.Ports["http"] != 30000 {
		t.Errorf("started %+v", s)
	}
	if want := []string{"POST containers/create", "POST containers/abc/start", "GET containers/abc/json"}; !slices.Equal(a.asked, want) {
		t.Errorf("asked %q, want %q", a.asked, want)
	}
}

// events is a stream that a test writes.
type events struct {
	lines  chan string
	opened chan struct{}
}

func (a *api) events() *events {
	e := &events{make(chan string), make(chan struct{}, 8)}
	a.handlers["GET events"] = func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e.opened <- struct{}{}
		w.(http.Flusher).Flush()
		for {
			select {
			case line, ok := <-e.lines:
				if !ok {
					return
				}
				io.WriteString(w, line)
				w.(http.Flusher).Flush()
			case <-q.Context().Done():
				return
			}
		}
	}
	return e
}

func event(action, id string) string {
	return fmt.Sprintf(`{"Type":"container","Action":%q,"Actor":{"ID":%q,"Attributes":{"io.bayplan.id":"t/w.0@%s"}}}`+"\n", action, id, id)
}

// A List looks at each container once, and again only after an event about it.
func TestList_LooksAgainOnlyAfterAnEvent(t *testing.T) {
	a := newAPI(t, "1.55")
	stream := a.events()
	r := a.runtime(t)
	a.handlers["GET containers/json"] = answer([]any{listed(r, "one", "running"), listed(r, "two", "running")})
	a.handlers["GET containers/one/json"], a.handlers["GET containers/two/json"] = answer(box("one")), answer(box("two"))
	list := func(ones, twos int) {
		t.Helper()
		all, err := r.List(t.Context())
		if err != nil || len(all) != 2 || all[0].ID != "t/w.0@one" || all[1].ID != "t/w.0@two" {
			t.Fatalf("listed %+v, %v", all, err)
		}
		if a.count("GET containers/one/json") != ones || a.count("GET containers/two/json") != twos {
			t.Fatalf("looked %d and %d times, want %d and %d", a.count("GET containers/one/json"), a.count("GET containers/two/json"), ones, twos)
		}
	}
	list(1, 1)
	list(2, 2) // nobody watches: nothing is believed
	heard := make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Watch(ctx, func(id string) { heard <- id }) }()
	if id := <-heard; id != "" || len(stream.opened) != 1 {
		t.Fatalf("the first word is %q, with %d subscriptions", id, len(stream.opened))
	}
	list(3, 3)
	list(3, 3)
	stream.lines <- event("exec_start: /bin/true", "two")
	stream.lines <- event("die", "one")
	if id := <-heard; id != "t/w.0@one" {
		t.Fatalf("heard %q", id)
	}
	list(4, 3)
	cancel()
	if err := <-ended; err == nil {
		t.Error("Watch ended without a reason")
	}
	list(5, 4)
}

// A container that was made of a copy of ours has its labels and another name.
func TestList_LeavesOutACopyOfOurs(t *testing.T) {
	a := newAPI(t, "1.55")
	r := a.runtime(t)
	twin := listed(r, "one", "running")
	twin["Id"], twin["Names"] = "twin", []string{"/debug"}
	a.handlers["GET containers/json"] = answer([]any{twin, listed(r, "one", "running")})
	a.handlers["GET containers/one/json"], a.handlers["GET containers/twin/json"] = answer(box("one")), answer(box("one"))
	all, err := r.List(t.Context())
	if err != nil || len(all) != 1 || all[0].Container != "one" || a.count("GET containers/twin/json") > 0 {
		t.Errorf("listed %+v, %v", all, err)
	}
}

// The Engine keeps a container to itself while it starts it: who asks waits.
func TestList_DoesNotWaitForAStart(t *testing.T) {
	a := newAPI(t, "1.41")
	begun, started := make(chan struct{}), make(chan struct{})
	a.handlers["POST containers/create"] = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"Id":"one"}`)
	}
	a.handlers["POST containers/one/start"] = func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-started
		w.WriteHeader(http.StatusNoContent)
	}
	a.handlers["GET containers/one/json"] = func(w http.ResponseWriter, q *http.Request) {
		<-started
		answer(box("one"))(w, q)
	}
	in := instance("web:1", "w", 0)
	in.ID = "t/w.0@one"
	r := a.runtime(t)
	a.handlers["GET containers/json"] = answer([]any{listed(r, "one", "created")})
	done := make(chan error)
	go func() { _, err := r.Start(t.Context(), in); done <- err }()
	<-begun
	all, err := r.List(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != in.ID || all[0].State != agent.StateCreated || all[0].Container != "one" {
		t.Errorf("listed %+v, %v", all, err)
	}
	close(started)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if all, err := r.List(t.Context()); err != nil || all[0].State != agent.StateRunning {
		t.Errorf("then listed %+v, %v", all, err)
	}
}

func TestWatch_EndsWithItsStream(t *testing.T) {
	a := newAPI(t, "1.41")
	stream := a.events()
	r := a.runtime(t)
	ended := watching(t, r)
	close(stream.lines)
	wantCode(t, <-ended, nodes.EngineDown)
}

// A call may take as long as it likes while the Engine answers pings.
func TestCall_WaitsForASlowEngine(t *testing.T) {
	a := newAPI(t, "1.41")
	finish := make(chan struct{})
	pinged := make(chan struct{}, 100)
	a.handlers["GET containers/json"] = func(w http.ResponseWriter, _ *http.Request) {
		<-finish
		io.WriteString(w, "[]")
	}
	slow := &pings{api: a, pinged: pinged}
	r := slow.runtime(t)
	done := make(chan error)
	go func() { _, err := r.List(t.Context()); done <- err }()
	for range 3 { // one negotiates, the others feel the pulse
		<-pinged
	}
	close(finish)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// pings tells of each ping.
type pings struct {
	api    *api
	pinged chan struct{}
}

func (p *pings) runtime(t *testing.T) *docker.Runtime {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/_ping") {
			p.pinged <- struct{}{}
		}
		p.api.ServeHTTP(w, q)
	}))
	t.Cleanup(s.Close)
	p.api.host = "tcp://" + s.Listener.Addr().String()
	return p.api.runtime(t)
}

func TestCall_ToNoEngine(t *testing.T) {
	r := open(t, docker.Config{Host: "unix://" + filepath.Join(t.TempDir(), "none"), Cluster: "c", Node: "n"})
	_, err := r.Info(t.Context())
	wantCode(t, err, nodes.EngineDown)
}

func TestInfo_OfAnEngineThatIsTooOld(t *testing.T) {
	_, err := newAPI(t, "1.39").runtime(t).Info(t.Context())
	if err == nil || !strings.Contains(err.Error(), "1.39") {
		t.Errorf("got %v", err)
	}
}
