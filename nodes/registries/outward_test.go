package registries

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver knows every name as one address.
func resolver(addr string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go answer(there, netip.MustParseAddr(addr))
		return here, nil
	}}
}

// answer is a name server on a stream: each message after two bytes of its length.
func answer(c net.Conn, addr netip.Addr) {
	defer c.Close()
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return
	}
	b := make([]byte, int(length[0])<<8|int(length[1]))
	if _, err := io.ReadFull(c, b); err != nil {
		return
	}
	var m dnsmessage.Message
	if m.Unpack(b) != nil {
		return
	}
	m.Response, m.Additionals = true, nil
	for _, q := range m.Questions {
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
		switch {
		case q.Type == dnsmessage.TypeA && addr.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: addr.As4()}})
		case q.Type == dnsmessage.TypeAAAA && addr.Is6():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	if b, err := m.Pack(); err == nil {
		c.Write(append([]byte{byte(len(b) >> 8), byte(len(b))}, b...))
	}
}

// A name is not believed to be elsewhere for what it says, nor for what it stood
// for a moment ago: the address that is dialed counts.
func TestOutward_NamesOfThisMachine(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret") }))
	defer srv.Close()
	at := ":" + strconv.Itoa(srv.Listener.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct{ meant, asked, stands, inside string }{
		{"registry.example" + at, "registry.example" + at, "127.0.0.1", ""}, // meant, wherever it is
		{"registry.example" + at, "layers.example" + at, "127.0.0.1", "127.0.0.1"},
		{"registry.example:1", "registry.example" + at, "127.0.0.1", "127.0.0.1"}, // another port is another server
		{"registry.example", "layers.example" + at, "::1", "::1"},
		{"registry.example", "meta.example" + at, "169.254.169.254", "169.254.169.254"},
		{"registry.example", "meta.example" + at, "::ffff:169.254.169.254", "169.254.169.254"},
		{"registry.example", "meta.example" + at, "fe80::1", "fe80::1"},
		{"registry.example", "zero.example" + at, "0.0.0.0", "0.0.0.0"},
		{"registry.example", "127.0.0.1" + at, "", "127.0.0.1"},
		{"127.0.0.1:1", "127.0.0.1" + at, "", ""},
		{"127.0.0.1:1", "layers.example" + at, "127.0.0.1", "127.0.0.1"},
	} {
		var d net.Dialer
		if c.stands != "" {
			d.Resolver = resolver(c.stands)
		}
		o := NewOutward(&http.Transport{}, d)
		client := &http.Client{Transport: o.To(c.meant)}
		resp, err := client.Get("http://" + c.asked)
		if err == nil {
			resp.Body.Close()
		}
		o.CloseIdleConnections()
		inside, refused := errors.AsType[*InsideError](err)
		if c.inside == "" && err != nil || c.inside != "" && (!refused || inside.Address.String() != c.inside || inside.Host != hostname(c.asked)) {
			t.Errorf("from %s to %s, which is %q: %v", c.meant, c.asked, c.stands, err)
		}
	}
}

// A proxy is the choice of who runs the machine, and resolves names itself.
func TestOutward_ProxyOnThisMachine(t *testing.T) {
	asked := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.Host }))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	o := NewOutward(&http.Transport{Proxy: http.ProxyURL(at)}, net.Dialer{})
	defer o.CloseIdleConnections()
	resp, err := (&http.Client{Transport: o.To("registry.example")}).Get("http://layers.example/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if asked != "layers.example" {
		t.Errorf("the proxy was asked for %q", asked)
	}
}
