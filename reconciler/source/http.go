package source

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// httpRemote adds credentials and certificates to a network remote.
type httpRemote struct {
	cfg    Config
	ep     *transport.Endpoint
	client transport.Transport
	tokens *appTokens
}

func newHTTP(cfg Config, ep *transport.Endpoint) (remote, error) {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	// A transport of its own, so that closing ends its connections.
	tr.IdleConnTimeout = time.Minute
	if cfg.CAFile != "" {
		pool, err := moreCAs(cfg.CAFile)
		if err != nil {
			return nil, err
		}
		tr.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	h := &httpRemote{cfg: cfg, ep: ep, tokens: newAppTokens(cfg.App), client: githttp.NewClient(&http.Client{Transport: &limited{tr, cfg.MaxFetch}})}
	return &network{cfg: cfg, dial: h.dial, tell: h.tell, done: tr.CloseIdleConnections}, nil
}

// loopback is whether a host is this machine.
func loopback(host string) bool {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && a.IsLoopback()
}

// withoutURL drops the address that net/http repeats in its errors.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func moreCAs(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("git source: certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("git source: %s holds no PEM certificate", file)
	}
	return pool, nil
}

func (h *httpRemote) dial(context.Context) (session, error) {
	auth, err := h.auth()
	if err != nil {
		return nil, err
	}
	ep := *h.ep // the transport changes it on a redirect
	if auth == nil {
		return h.client.NewUploadPackSession(&ep, nil)
	}
	return h.client.NewUploadPackSession(&ep, auth)
}

// auth reads the files; nil without any.
func (h *httpRemote) auth() (*githttp.BasicAuth, error) {
	if h.cfg.App.used() {
		return h.tokens.auth(time.Now())
	}
	if h.cfg.TokenFile == "" && h.cfg.UserFile == "" {
		return nil, nil
	}
	user, err := secret(h.cfg.UserFile)
	if err != nil {
		return nil, err
	}
	token, err := secret(h.cfg.TokenFile)
	if err != nil {
		return nil, err
	}
	if user == "" {
		user = h.ep.User
	}
	if user == "" {
		user = "x-access-token"
	}
	return &githttp.BasicAuth{Username: user, Password: token}, nil
}

// secret is the content of a small file without the line's end.
func secret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", &fault{CodeCredentials, "the credentials of the repository cannot be read", "ls -l " + file, err}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 64<<10))
	text := strings.TrimSpace(string(data))
	if err != nil || text == "" || strings.ContainsAny(text, "\r\n") {
		return "", &fault{CodeCredentials, file + " must hold one line", "wc " + file, err}
	}
	return text, nil
}

func (h *httpRemote) tell(err error) error {
	unknown, host := x509.UnknownAuthorityError{}, x509.HostnameError{}
	invalid := x509.CertificateInvalidError{}
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired) && h.cfg.TokenFile == "":
		return &fault{CodeUnauthorized, h.cfg.URL + " asks for a user and a token, and none is configured", "put a token into a file and name it in the server's configuration", nil}
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return &fault{CodeUnauthorized, h.cfg.URL + " refuses the user or the token", "put a valid token into " + h.cfg.TokenFile, nil}
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return &fault{CodeUnauthorized, h.cfg.URL + " does not let this user read", "give the user read access to the repository", nil}
	case errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		return &fault{CodeUnauthorized, h.cfg.URL + " shows a certificate that is not trusted",
			fmt.Sprintf("openssl s_client -connect %s:%d -showcerts", h.ep.Host, cmp.Or(h.ep.Port, 443)), withoutURL(err)}
	}
	return tellCommon(h.cfg, err)
}

// limited bounds the body of each answer.
type limited struct {
	next http.RoundTripper
	max  int64
}

func (l *limited) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(r)
	if err == nil {
		res.Body = &cappedBody{capped{res.Body, l.max}, res.Body}
	}
	return res, err
}

type cappedBody struct {
	capped
	io.Closer
}
