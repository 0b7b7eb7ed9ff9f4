package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// TestProber_OverTheNetwork probes real sockets: what a program answers, and
// how it is told.
func TestProber_OverTheNetwork(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if !r.Close || r.URL.RawQuery != "full=1" {
			t.Errorf("request %+v", r)
		}
		fmt.Fprint(w, strings.Repeat("x", 1<<20))
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/sick", http.StatusFound) })
	mux.HandleFunc("/sick", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no database", http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	defer server.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	up, nobody := server.Listener.Addr().(*net.TCPAddr).Port, free.Addr().(*net.TCPAddr).Port

	for _, c := range []struct {
		check schema.Health
		port  int
		want  string
	}{
		{schema.Health{HTTP: &schema.HTTPCheck{Path: "/ok?full=1", Port: "p"}}, up, ""},
		{schema.Health{HTTP: &schema.HTTPCheck{Path: "/moved", Port: "p"}}, up, ""},
		{schema.Health{HTTP: &schema.HTTPCheck{Path: "/sick", Port: "p"}}, up, "GET /sick answered 503: no database"},
		{schema.Health{HTTP: &schema.HTTPCheck{Path: "/hangs", Port: "p"}}, up, "GET /hangs: no answer in time"},
		{schema.Health{HTTP: &schema.HTTPCheck{Path: "/ok", Port: "p"}}, nobody, "connection refused"},
		{schema.Health{TCP: &schema.TCPCheck{Port: "p"}}, up, ""},
		{schema.Health{TCP: &schema.TCPCheck{Port: "p"}}, nobody, "connection refused"},
		{schema.Health{TCP: &schema.TCPCheck{Port: "q"}}, up, `port "q" is neither reached`},
		{schema.Health{Exec: &schema.ExecCheck{}}, up, "asks for nothing"},
	} {
		w := &schema.Workload{Name: "t/web", Health: &c.check, Ports: map[string]schema.Port{"p": {Container: c.port}}}
		order := &nodes.Order{Workload: w, Ports: map[string]int{"p": c.port}}
		for _, address := range []string{"127.0.0.1", ""} { // the container's own, the node's
			p := newProber(Config{Address: "127.0.0.1", Dial: (&net.Dialer{}).DialContext})
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			err := p.probe(ctx, Action{Order: order, Status: Status{Address: address}})
			cancel()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%+v at %s: got %v, want %q", c.check, net.JoinHostPort(address, strconv.Itoa(c.port)), err, c.want)
			}
		}
	}
}
