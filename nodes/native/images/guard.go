package images

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/bayplan/bayplan/nodes/registries"
)

// newOutward is what all requests go through: bounded in every wait.
func newOutward(cfg Config) *registries.Outward {
	return registries.NewOutward(&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSHandshakeTimeout:   min(10*time.Second, cfg.Stall),
		ResponseHeaderTimeout: cfg.Stall,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   cfg.Parallel + 1,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // a digest is of the bytes as they travel
	}, net.Dialer{Timeout: min(10*time.Second, cfg.Stall)})
}

// to carries the requests that begin at a registry, in plain HTTP only where that
// is allowed.
func (s *Store) to(registry string) http.RoundTripper {
	plain := func(host string) bool { return s.access.Load().MayBePlain(host) }
	return transport.NewUserAgent(&guard{next: s.out.To(registry), plain: plain, stall: s.cfg.Stall}, "bayplan")
}

// guard refuses plain HTTP to a registry that should have TLS, and watches that
// answers flow.
type guard struct {
	next  http.RoundTripper
	plain func(host string) bool
	stall time.Duration
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && !g.mayBePlain(req) {
		return nil, &plainHTTPError{req.URL.Host}
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := g.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &watched{body: resp.Body, cancel: cancel, window: g.stall}
	return resp, nil
}

// mayBePlain: a registry on loopback or listed; and where a registry with TLS
// sends us on to, as long as we take no password there: the content has a digest.
func (g *guard) mayBePlain(req *http.Request) bool {
	return registries.IsLoopback(req.URL.Hostname()) || g.plain(req.URL.Host) ||
		req.Response != nil && req.Header.Get("Authorization") == ""
}

// checkRedirect ends a round; where it may lead is looked at when it is dialed.
func checkRedirect(_ *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("redirected %d times", len(via))
	}
	return nil
}

// trickle is how many bytes a window must bring: 64 KiB in 30 s is slower than
// a modem, and no image comes to an end that way.
const trickle = 64 << 10

// watched is a body that fails when it brings less than a trickle within a
// window. Only the time spent waiting for it counts.
type watched struct {
	body   io.ReadCloser
	cancel context.CancelCauseFunc
	window time.Duration

	waited time.Duration
	got    int64
}

func (w *watched) Read(p []byte) (int, error) {
	stalled := time.AfterFunc(w.window-w.waited, func() { w.cancel(&stallError{}) })
	began := time.Now()
	n, err := w.body.Read(p)
	w.waited += time.Since(began)
	w.got += int64(n)
	if !stalled.Stop() && err != io.EOF {
		return n, &stallError{w.window, w.got}
	}
	if w.got >= trickle {
		w.waited, w.got = 0, 0
	}
	return n, err
}

func (w *watched) Close() error {
	err := w.body.Close()
	w.cancel(nil)
	return err
}
