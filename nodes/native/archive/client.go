package archive

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bayplan/bayplan/nodes/registries"
)

// newOutward is bounded in every wait, and cannot be sent to where only this
// machine may ask.
func newOutward(cfg Config) *registries.Outward {
	return registries.NewOutward(&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSHandshakeTimeout:   min(10*time.Second, cfg.Stall),
		ResponseHeaderTimeout: cfg.Stall,
		IdleConnTimeout:       30 * time.Second,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // the sha256 is of the bytes as they travel
	}, net.Dialer{Timeout: min(10*time.Second, cfg.Stall), Control: notLinkLocal})
}

// to is a client for requests that begin at a host.
func (s *Store) to(host string) *http.Client {
	return &http.Client{CheckRedirect: checkRedirect, Transport: s.out.To(host)}
}

// notLinkLocal keeps whoever writes a URL from having the node ask the metadata
// service of its cloud, under whatever name.
func notLinkLocal(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err == nil && at.Addr().Unmap().IsLinkLocalUnicast() {
		return wrong("%s is an address of this machine's own network, which no archive is fetched from", at.Addr())
	}
	return nil
}

// checkRedirect keeps a server from taking the encryption away. Where else it may
// lead is looked at when it is dialed.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) >= 10:
		return wrong("it redirects %d times", len(via))
	case first.Scheme == "https" && req.URL.Scheme != "https":
		return wrong("it sends us on from https to %s", req.URL.Scheme)
	}
	return nil
}

// trickle is how many bytes a window must bring: slower is no download that comes
// to an end.
const trickle = 64 << 10

// flow counts what is read.
type flow struct {
	in  io.Reader
	got atomic.Int64
}

func (f *flow) Read(p []byte) (int, error) {
	n, err := f.in.Read(p)
	f.got.Add(int64(n))
	return n, err
}

// watch cancels a download that brings less than a trickle within a window, until
// it is stopped.
func watch(in io.Reader, window time.Duration, cancel func(error)) (io.Reader, func()) {
	f, done := &flow{in: in}, make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(window)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if f.got.Swap(0) < trickle {
				cancel(&stallError{window})
				return
			}
		}
	})
	return f, func() { close(done); watching.Wait() }
}
