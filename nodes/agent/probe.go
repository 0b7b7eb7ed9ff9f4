package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// prober performs health checks.
type prober struct {
	runtime Runtime
	node    string // the node's address
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	http    *http.Client
}

func newProber(cfg Config) prober {
	return prober{
		runtime: cfg.Runtime, node: cfg.Address, dial: cfg.Dial,
		http: &http.Client{
			Transport:     &http.Transport{DialContext: cfg.Dial, DisableKeepAlives: true, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// probe is nil when the check passes, and otherwise says what it met.
func (p prober) probe(ctx context.Context, act Action) error {
	w := act.Order.Workload
	switch h := w.Health; {
	case h.HTTP != nil:
		at, err := p.target(act, h.HTTP.Port)
		if err != nil {
			return err
		}
		return p.get(ctx, at, h.HTTP.Path)
	case h.TCP != nil:
		at, err := p.target(act, h.TCP.Port)
		if err != nil {
			return err
		}
		return p.connect(ctx, at)
	case h.Exec != nil && len(h.Exec.Command) > 0:
		return p.exec(ctx, act.ID, h.Exec)
	default:
		return errors.New("the health check asks for nothing")
	}
}

// target is the container itself where the host reaches it, and else where the
// node publishes the port.
func (p prober) target(act Action, port string) (string, error) {
	w, host := act.Order.Workload, act.Order.Ports[port]
	switch inside := portOf(w, port); {
	case act.Status.Address != "" && w.Network != schema.Host && inside != 0:
		return net.JoinHostPort(act.Status.Address, decimal(inside)), nil
	case host != 0:
		return net.JoinHostPort(p.node, decimal(host)), nil
	}
	return "", fmt.Errorf("the health check's port %q is neither reached from the node nor published on it", port)
}

// get passes on 200 to 399; a redirect is an answer and is not followed.
func (p prober) get(ctx context.Context, host, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "bayplan-health")
	resp, err := p.http.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return fmt.Errorf("GET %s: %w", path, p.why(ctx, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode < 400 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, textLimit)) // what came of it is told
	return fmt.Errorf("GET %s answered %d%s", path, resp.StatusCode, firstLine(body))
}

func (p prober) connect(ctx context.Context, address string) error {
	c, err := p.dial(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", address, p.why(ctx, err))
	}
	return c.Close()
}

func (p prober) exec(ctx context.Context, id string, check *schema.ExecCheck) error {
	out := &bounded{}
	code, err := p.runtime.Exec(ctx, id, Exec{Command: check.Command, Stdout: out, Stderr: out, Single: true})
	if err != nil {
		return fmt.Errorf("running %s: %w", check.Command[0], p.why(ctx, err))
	}
	if code != 0 {
		return fmt.Errorf("%s exited with code %d%s", check.Command[0], code, firstLine(out.buf.Bytes()))
	}
	return nil
}

// why says "no answer in time" in one way, whoever noticed first.
func (p prober) why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("no answer in time")
	}
	return err
}

// textLimit bounds what of a program's answer is told, in bytes.
const textLimit = 200

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(b), "")), "\n")
	if line == "" {
		return ""
	}
	return ": " + line
}

// bounded keeps the first textLimit bytes and lets the rest go.
type bounded struct{ buf bytes.Buffer }

func (w *bounded) Write(p []byte) (int, error) {
	if room := textLimit - w.buf.Len(); room > 0 {
		w.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func decimal(n int) string { return strconv.Itoa(n) }
