package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/cenkalti/backoff/v5"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
	"github.com/bayplan/bayplan/nodes/wire/wirepb/wirepbconnect"
)

// ClientConfig is what a Client needs; Dir must be set.
type ClientConfig struct {
	// Dir is the folder that Join wrote to. Renewed credentials go there.
	Dir string
	// Server is "host:port"; empty is the one that the node joined by.
	Server string
	// Version is the agent's, for the server's log.
	Version string
	// MaxMessage bounds messages in bytes; zero is MaxMessage.
	MaxMessage int
	// Now is the clock that certificates are read by; nil is time.Now.
	Now func() time.Time
	// Log is where troubles and comings and goings are told; nil is nowhere.
	Log *slog.Logger

	// dial opens connections; nil is TCP.
	dial dialFunc
	// plain makes an agent of it that knows no SharedAssignment and no images.
	plain bool
}

// Client is a node's end of the protocol: an [agent.Uplink].
type Client struct {
	cfg ClientConfig

	mu      sync.Mutex
	creds   Credentials
	trouble string
	// told is the last trouble in the log, so that it stands there once.
	told string
}

var _ agent.Uplink = (*Client)(nil)

// Dial reads the node's credentials. It does not touch the network: Run does,
// for as long as it takes.
func Dial(cfg ClientConfig) (*Client, error) {
	creds, err := LoadCredentials(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if cfg.Server == "" {
		cfg.Server = creds.Server
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = MaxMessage
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.dial == nil {
		cfg.dial = dialTCP
	}
	return &Client{cfg: cfg, creds: creds}, nil
}

// Name is the node's, as its certificate says.
func (c *Client) Name() string { return c.credentials().Name }

// Trouble is why there is no session; empty while there is one.
func (c *Client) Trouble() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble
}

// goodSession is how long a session must last for the next attempt to come at
// once: one that breaks off sooner is part of the same trouble.
const goodSession = 10 * time.Second

// newBackoff waits 0.1 s after the first failure and at most 10 s after many,
// half of it by chance, so that a thousand nodes do not return as one.
func newBackoff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.Multiplier, b.RandomizationFactor = 100*time.Millisecond, 2, 0.5
	b.MaxInterval = 6600 * time.Millisecond
	return b
}

var errRenewed = errors.New("the certificate was renewed")

// Run keeps a session until ctx ends, and then returns nil: whatever goes wrong
// on the way is told, and tried again. Nothing of it stops a container (I4).
func (c *Client) Run(ctx context.Context, n agent.Node) error {
	retry := newBackoff()
	for ctx.Err() == nil {
		began := time.Now()
		err := c.session(ctx, n)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errRenewed):
			continue
		case time.Since(began) > goodSession:
			retry.Reset()
			c.forget()
		}
		wait := retry.NextBackOff()
		c.complain(err, wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// complain warns of a trouble once, until it is another one or a good session
// came between.
func (c *Client) complain(err error, wait time.Duration) {
	text := err.Error()
	c.mu.Lock()
	level := slog.LevelWarn
	if c.told == text {
		level = slog.LevelDebug
	}
	c.trouble, c.told = text, text
	c.mu.Unlock()
	c.cfg.Log.Log(context.Background(), level, "no session with the server", "err", text, "retry", wait.Round(time.Millisecond))
}

func (c *Client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = ""
}

// connected ends the trouble.
func (c *Client) connected(w *wirepb.Welcome) {
	c.mu.Lock()
	c.trouble = ""
	c.mu.Unlock()
	c.cfg.Log.Info("connected", "server", c.cfg.Server, "cluster", w.Cluster, "run", w.Run)
}

func (c *Client) credentials() Credentials {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.creds
}

// session is one connection with all that it carries. It returns when that is
// over, never nil.
func (c *Client) session(ctx context.Context, n agent.Node) error {
	creds := c.credentials()
	o, err := creds.open()
	if err != nil {
		return err
	}
	if end := o.leaf.NotAfter; !c.cfg.Now().Before(end) {
		return fmt.Errorf("this node's certificate expired on %s: make a join line with `bayplan node token` and join again", end.Format(time.DateTime))
	}
	t, err := creds.TLS(c.cfg.Now)
	if err != nil {
		return err
	}
	l := newLink(t, c.cfg.dial)
	defer l.close()
	u := &uplink{
		c: c, node: n, name: creds.Name, due: renewAt(o.leaf), expires: o.leaf.NotAfter, consoles: map[string]context.CancelFunc{},
		tenant: c.tenant(n),
		rpc:    wirepbconnect.NewFleetClient(l.client, "https://"+c.cfg.Server, connect.WithReadMaxBytes(c.cfg.MaxMessage)),
		resync: make(chan struct{}, 1), refusals: make(chan *wirepb.Refused, 1), welcome: make(chan *wirepb.Welcome, 1),
	}
	return l.explain(ctx, c.cfg.Server, u.run(ctx))
}

// renew trades the certificate for a fresh one of the same key and keeps it.
// The old one is good until the new one is on disk.
func (c *Client) renew(ctx context.Context, rpc wirepbconnect.FleetClient) error {
	creds := c.credentials()
	o, err := creds.open()
	if err != nil {
		return err
	}
	csr, err := newCSR(o.key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	resp, err := rpc.Renew(ctx, connect.NewRequest(&wirepb.RenewRequest{Csr: csr}))
	if err != nil {
		return fmt.Errorf("renewing the certificate: %w", explain(c.cfg.Server, err))
	}
	fresh, err := credentialsOf(resp.Msg, o.key, creds.Server)
	if err != nil {
		return fmt.Errorf("renewing the certificate: %w", err)
	}
	if err := fresh.Save(c.cfg.Dir); err != nil {
		return fmt.Errorf("renewing the certificate: %w", err)
	}
	c.mu.Lock()
	c.creds = fresh
	c.mu.Unlock()
	c.cfg.Log.Info("certificate renewed")
	return nil
}
