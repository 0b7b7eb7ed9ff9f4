// Hello is the demo's service: a web server in one static file, made of the
// standard library alone.
//
//	GET /    which version answers, from which slot, on which node
//	GET /up  the health check: 200, or 503 while it drains or if it is "bad"
//
// The environment steers it: VERSION ("1", "2", …; "bad" runs but never becomes
// healthy), PORT_HTTP (8080 without), DRAIN (how long it goes on serving after
// SIGTERM; 500ms without). BAYPLAN_SLOT and BAYPLAN_NODE are what the agent
// tells every container.
//
// The image has no shell, so the file holds what one would want to run in it:
// "hello check" asks its own /up and exits with 0 or 1, "hello env" prints the
// environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// drainDefault outlives the time in which proxies and health checks notice
	// that /up fails, and leaves most of the usual stop grace of 10 s.
	drainDefault = 500 * time.Millisecond
	// lastCall is how long requests in flight may take once draining is over.
	lastCall = 5 * time.Second
	// slowest bounds GET /?wait=…, which answers late so that draining can be watched.
	slowest = 30 * time.Second
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 0:
		return serveUntilSignal()
	case args[0] == "check":
		return check(port())
	case args[0] == "env":
		env := os.Environ()
		slices.Sort(env)
		fmt.Println(strings.Join(env, "\n"))
		return nil
	}
	return fmt.Errorf("unknown word %q: want nothing, check or env", args[0])
}

func serveUntilSignal() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	drain, err := drainTime()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", ":"+port())
	if err != nil {
		return err
	}
	h := &hello{version: version(), slot: os.Getenv("BAYPLAN_SLOT"), node: os.Getenv("BAYPLAN_NODE")}
	fmt.Printf("hello version %s listens on %s\n", h.version, l.Addr())
	return serve(ctx, l, h.routes(), func() { h.leave(drain) })
}

// serve answers until ctx ends, goes on while leave runs, then lets what is in
// flight end.
func serve(ctx context.Context, l net.Listener, h http.Handler, leave func()) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	leave()
	last, cancel := context.WithTimeout(context.Background(), lastCall)
	defer cancel()
	err := s.Shutdown(last)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		return served
	}
	return err
}

// hello is what the answers are made of.
type hello struct {
	version, slot, node string
	leaving             atomic.Bool
}

func (h *hello) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.root)
	mux.HandleFunc("GET /up", h.up)
	return mux
}

// leave makes /up fail and gives those who watch it time to notice.
func (h *hello) leave(drain time.Duration) {
	fmt.Printf("hello version %s drains for %s\n", h.version, drain)
	h.leaving.Store(true)
	time.Sleep(drain)
}

func (h *hello) root(w http.ResponseWriter, r *http.Request) {
	if wait, err := time.ParseDuration(r.URL.Query().Get("wait")); err == nil {
		select {
		case <-time.After(min(wait, slowest)):
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, h.text()+"\n")
}

// text is "hello version 1 from hello/web.0 on n1", as far as it is known.
func (h *hello) text() string {
	text := "hello version " + h.version
	if h.slot != "" {
		text += " from " + h.slot
	}
	if h.node != "" {
		text += " on " + h.node
	}
	return text
}

func (h *hello) up(w http.ResponseWriter, _ *http.Request) {
	switch {
	case h.version == "bad":
		http.Error(w, "version bad is never healthy", http.StatusServiceUnavailable)
	case h.leaving.Load():
		http.Error(w, "draining", http.StatusServiceUnavailable)
	default:
		io.WriteString(w, "up\n")
	}
}

// check is a health check from within the container.
func check(port string) error {
	c := http.Client{Timeout: 2 * time.Second}
	resp, err := c.Get("http://127.0.0.1:" + port + "/up")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	fmt.Print(string(body))
	return nil
}

func version() string { return envOr("VERSION", "0") }
func port() string    { return envOr("PORT_HTTP", "8080") }

func drainTime() (time.Duration, error) {
	text := envOr("DRAIN", drainDefault.String())
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("DRAIN %q: want a time such as 500ms or 2s", text)
	}
	return d, nil
}

func envOr(key, fallback string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return fallback
}
