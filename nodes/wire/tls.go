package wire

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// TLSConfig is the server's end for every service of the cluster: TLS 1.3, a
// certificate that is issued for hosts and renewed by itself, and client
// certificates of the CA where the caller shows one. Who may call what is
// [RequireRole]'s matter. now also dates certificates; nil is time.Now.
func TLSConfig(ca *CA, hosts []string, now func() time.Time) (*tls.Config, error) {
	if now == nil {
		now = time.Now
	}
	own := &serverCert{ca: ca, hosts: hosts, now: now}
	if _, err := own.get(nil); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: own.get,
		ClientAuth:     tls.VerifyClientCertIfGiven,
		ClientCAs:      pool,
		NextProtos:     []string{"h2", "http/1.1"},
		Time:           now,
		// Every connection shows its certificate: what was revoked or renewed
		// since counts at once.
		SessionTicketsDisabled: true,
	}, nil
}

// serverCert keeps the server's certificate fresh.
type serverCert struct {
	ca    *CA
	hosts []string
	now   func() time.Time

	mu   sync.Mutex
	cert *tls.Certificate
}

func (s *serverCert) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cert != nil && s.now().Before(renewAt(s.cert.Leaf)) {
		return s.cert, nil
	}
	c, err := s.ca.IssueServer(s.hosts, s.now())
	if err != nil {
		return nil, err
	}
	s.cert = &c
	return s.cert, nil
}

// NewHTTPServer serves h over TLS and HTTP/2 (HTTP/1.1 for plain tools), with
// limits that no caller can stretch: call its ServeTLS(l, "", "").
func NewHTTPServer(h http.Handler, t *tls.Config) *http.Server {
	return &http.Server{
		Handler:           Identify(h),
		TLSConfig:         t,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		HTTP2:             http2Config(),
	}
}

func http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWait, WriteByteTimeout: writeWait}
}

// clientTLS trusts one CA and nothing else, for whatever address the server is
// reached by.
func clientTLS(ca *x509.Certificate, own *tls.Certificate, now func() time.Time) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	c := &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    pool,
		ServerName: serverName,
		NextProtos: []string{"h2"},
		Time:       now,
	}
	if own != nil {
		c.Certificates = []tls.Certificate{*own}
	}
	return c
}

// pinnedTLS trusts the CA that the server itself shows, if its fingerprint is
// the pin: the first contact of a node that knows nothing but a join line.
func pinnedTLS(pin string, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: serverName,
		NextProtos: []string{"h2"},
		Time:       now,
		// VerifyConnection does what this skips, against the pin.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return verifyPinned(s, pin, now()) },
	}
}

func verifyPinned(s tls.ConnectionState, pin string, now time.Time) error {
	for _, c := range s.PeerCertificates[1:] {
		if pinOf(c) != pin {
			continue
		}
		pool := x509.NewCertPool()
		pool.AddCert(c)
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: pool, DNSName: serverName, CurrentTime: now,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if err != nil {
			return fmt.Errorf("the server's certificate: %w", err)
		}
		return nil
	}
	return errOtherCluster
}
