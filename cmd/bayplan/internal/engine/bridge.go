package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"

	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/bridge"
)

// network is the node's bridge. A machine that cannot have one is still a node for
// work on the host's network; what keeps it from one may pass (a full disk), so it
// is tried again whenever one is wanted.
type network struct {
	open func() (*bridge.Network, error)
	log  *slog.Logger

	mu     sync.Mutex
	is     *bridge.Network // nil until one could be opened
	why    string          // why not, as it was last told
	closed bool
}

var _ native.Network = (*network)(nil)

func newNetwork(cfg Config) *network {
	n := &network{open: func() (*bridge.Network, error) { return openBridge(cfg) }, log: cfg.Log}
	_, _ = n.get() // told by itself
	return n
}

func openBridge(cfg Config) (*bridge.Network, error) {
	publish := netip.IPv4Unspecified()
	if cfg.Publish != "" {
		var err error
		if publish, err = netip.ParseAddr(cfg.Publish); err != nil {
			return nil, fmt.Errorf("address to publish ports on: %w", err)
		}
	}
	dir, err := filepath.Abs(filepath.Join(cfg.Dir, "bridge"))
	if err != nil {
		return nil, err
	}
	return bridge.Open(bridge.Config{Dir: dir, Key: native.Key(dir, cfg.Cluster, cfg.Node), Publish: publish, Log: cfg.Log})
}

// get opens the bridge if need be. Why it cannot is told when it is news.
func (n *network) get() (*bridge.Network, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.is != nil || n.closed {
		return n.is, nil
	}
	is, err := n.open()
	switch {
	case err == nil && n.why != "":
		n.log.Info("the bridge network is there now")
	case err != nil && err.Error() != n.why:
		n.log.Warn("no bridge network: work that wants one is refused", "err", err)
	}
	if n.is, n.why = is, ""; err != nil {
		n.is, n.why = nil, err.Error()
	}
	return n.is, err
}

var errNoBridge = errors.New("the bridge is closed")

// Attach refuses where there is no bridge.
func (n *network) Attach(ctx context.Context, id string, ports []bridge.Port) (bridge.Attachment, error) {
	is, err := n.get()
	if err == nil && is == nil {
		err = errNoBridge
	}
	if err != nil {
		return bridge.Attachment{}, fmt.Errorf(`this node has no bridge (%w): order network "host", or see what "bayplan doctor" says of it`, err)
	}
	return is.Attach(ctx, id, ports)
}

// Detach leaves what a former process attached to the next Sweep where there is no
// bridge.
func (n *network) Detach(ctx context.Context, id string) error {
	n.mu.Lock()
	is := n.is
	n.mu.Unlock()
	if is == nil {
		return nil
	}
	return is.Detach(ctx, id)
}

// Sweep has nothing to take away where there is no bridge.
func (n *network) Sweep(ctx context.Context, alive []string) error {
	is, err := n.get()
	if is == nil || err != nil {
		return nil
	}
	return is.Sweep(ctx, alive)
}

// Close is the bridge's, and the end of trying.
func (n *network) Close(retire bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	if n.is == nil {
		return nil
	}
	return n.is.Close(retire)
}
