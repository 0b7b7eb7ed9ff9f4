package forge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// callTime bounds one call; forges answer in seconds or not at all.
	callTime = 20 * time.Second
	// maxAnswer bounds what is read of one.
	maxAnswer = 16 << 20
	// pages and perPage bound how many pull requests and comments are read.
	pages, perPage = 10, 100
)

func loopback(u *url.URL) bool {
	return u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1" || u.Hostname() == "localhost")
}

func newHTTP(caFile string) (*http.Client, error) {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	if caFile != "" {
		text, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("forge: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil || !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("forge: %s has no certificate", caFile)
		}
		tr.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	// A redirect could lead the token elsewhere.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: tr, CheckRedirect: stay, Timeout: callTime}, nil
}

// Answered is a forge's answer that is no success.
type Answered struct {
	Code int
	Text string
	// Wait is how long it asks to be left alone.
	Wait time.Duration
}

func (e *Answered) Error() string { return fmt.Sprintf("forge: it answers %d: %s", e.Code, e.Text) }

func isNotFound(err error) bool {
	a, ok := errors.AsType[*Answered](err)
	return ok && a.Code == http.StatusNotFound
}

func isRefused(err error) bool {
	a, ok := errors.AsType[*Answered](err)
	return ok && (a.Code == http.StatusForbidden || a.Code == http.StatusNotFound || a.Code == http.StatusUnauthorized) && a.Wait == 0
}

// call makes one request; in is sent as JSON unless it is nil.
func (c *Client) call(ctx context.Context, method, path string, in any) ([]byte, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	name, value := c.header(token)
	r.Header.Set(name, value)
	r.Header.Set("Accept", c.accept())
	r.Header.Set("User-Agent", "bayplan")
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if _, is := c.dialect.(github); is {
		r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	}
	return c.read(r)
}

func (c *Client) read(r *http.Request) ([]byte, error) {
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("forge: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("forge: %w", err)
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("forge: %s answers with more than %d bytes", r.URL.Path, maxAnswer)
	}
	if answer.StatusCode/100 != 2 {
		return nil, &Answered{answer.StatusCode, plainText(text), waitOf(answer.Header, time.Now())}
	}
	return text, nil
}

// plainText is the beginning of an answer, in one line.
func plainText(b []byte) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(b[:min(len(b), 200)]), "?")), " ")
}

// waitOf is how long the forge wants to be left alone: Retry-After, or until
// GitHub's limit is over.
func waitOf(h http.Header, now time.Time) time.Duration {
	if s, err := time.ParseDuration(h.Get("Retry-After") + "s"); err == nil {
		return min(s, time.Hour)
	}
	if h.Get("X-RateLimit-Remaining") != "0" {
		return 0
	}
	at, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return time.Minute
	}
	return min(max(time.Unix(at, 0).Sub(now), time.Second), time.Hour)
}
