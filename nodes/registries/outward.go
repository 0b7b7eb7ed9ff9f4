package registries

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
)

// Outward is the way to servers that somebody else names. A registry says where its
// layers and its tokens are had, a web server where an archive went: none of them
// may have this machine ask itself, or the inside of its cloud, under whatever
// name. What was meant from the beginning may be anywhere.
type Outward struct {
	// meant carries requests to the server that was meant, led those to where it
	// led us.
	meant, led *http.Transport
	// proxies are the addresses of those in use: they were chosen by whoever runs
	// this machine, and may be on it.
	proxies sync.Map
}

// NewOutward makes a way of a transport and what dials for it.
func NewOutward(wire *http.Transport, dialer net.Dialer) *Outward {
	o := &Outward{meant: wire, led: wire.Clone()}
	o.meant.DialContext = dialer.DialContext
	o.led.Proxy = func(r *http.Request) (*url.URL, error) { return o.proxied(wire.Proxy, r) }
	strict := dialer
	strict.Control, strict.ControlContext = refuseInside, nil
	o.led.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if _, ok := o.proxies.Load(address); ok {
			return dialer.DialContext(ctx, network, address)
		}
		conn, err := strict.DialContext(ctx, network, address)
		return conn, named(err, address)
	}
	return o
}

// To is the way of requests that begin at a host ("registry.example:5000", as URLs
// have it).
func (o *Outward) To(host string) http.RoundTripper { return &route{o, host} }

// CloseIdleConnections lets go of what is not in use.
func (o *Outward) CloseIdleConnections() {
	o.meant.CloseIdleConnections()
	o.led.CloseIdleConnections()
}

type route struct {
	by   *Outward
	host string
}

// RoundTrip goes where it is asked to if that is the host that was meant; machines
// that were meant on loopback may lead to others there.
func (r *route) RoundTrip(req *http.Request) (*http.Response, error) {
	inside := IsLoopback(hostname(r.host)) && IsLoopback(req.URL.Hostname())
	if req.URL.Host == r.host || inside {
		return r.by.meant.RoundTrip(req)
	}
	return r.by.led.RoundTrip(req)
}

func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

// IsLoopback is whether a host is this machine by its name alone.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}

// InsideError is a server that leads to where only this machine may ask.
type InsideError struct {
	// Host is as it was named, Address what it stands for.
	Host    string
	Address netip.Addr
}

func (e *InsideError) Error() string {
	return fmt.Sprintf("it leads to %s, which is %s: this machine or its cloud's inside", e.Host, e.Address)
}

// refuseInside is called with each address that a name stands for, before it is
// asked.
func refuseInside(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	a := at.Addr().Unmap()
	if a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return &InsideError{Host: a.String(), Address: a}
	}
	return nil
}

// named puts the name that was asked for into the error.
func named(err error, address string) error {
	if inside, ok := errors.AsType[*InsideError](err); ok {
		inside.Host = hostname(address)
		return inside
	}
	return err
}

// proxied notes where a request's proxy is dialed.
func (o *Outward) proxied(choose func(*http.Request) (*url.URL, error), r *http.Request) (*url.URL, error) {
	if choose == nil {
		return nil, nil
	}
	at, err := choose(r)
	if at != nil {
		port := at.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[at.Scheme]
		}
		o.proxies.Store(net.JoinHostPort(at.Hostname(), port), true)
	}
	return at, err
}
