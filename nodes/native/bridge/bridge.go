package bridge

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
)

// Config says whose network it is and where it may be.
type Config struct {
	// Dir is for the network's state, which survives the process; one process
	// uses it at a time. Required.
	Dir string
	// Key is this agent's node in one word, unique on the machine: 1 to 40
	// letters, digits, '-', '_' or '.'. Required, and the same from run to run.
	Key string
	// Range is what containers get addresses from, an IPv4 prefix of /8 to /30
	// whose first address is the bridge's. Zero is the range of the last run, or
	// else a /24 of 10.88.0.0/16 that no route of the machine overlaps.
	Range netip.Prefix
	// Publish is the one address of this machine that ports are published on;
	// zero or 0.0.0.0 is every one, 127.0.0.1 included.
	Publish netip.Addr
	// Backend is for machines where the choice matters; zero is the usual one.
	Backend Backend
	// Log is where trouble is told that is no call's error; nil is slog's default.
	Log *slog.Logger
}

// Network is the bridge of one node with all that is attached to it. It is safe
// for concurrent use.
type Network struct {
	cfg   Config
	site  site
	store *store
	wire  *wire
	ruler ruler
	flows *flows

	// busy serializes the calls about one id.
	busy keyed
	// ruling serializes the ruler's calls. Open holds it until the rules are there.
	ruling sync.Mutex
	// opening is what Open has left to do, ruled whether the rules were made once.
	opening sync.WaitGroup
	ruled   atomic.Bool

	publishing, withdrawing together[record]
	unlinking               together[string]

	mu       sync.Mutex
	attached map[string]record
	// held is what this process holds for an attachment; one that a former
	// process made has none.
	held  map[string]*holding
	last  netip.Addr
	order uint64
}

// holding is what goes with this process.
type holding struct {
	ns    *namespace
	ports holds
}

var validKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)

// Open makes the bridge and the rules, or takes them over from a former process
// with all that is attached: published ports go on working without a gap, and the
// rules, which stand as they are meanwhile, are made anew after Open has returned;
// what would change them waits for that. Call [Network.Sweep] next.
func Open(cfg Config) (*Network, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	st, err := openStore(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("bridge: state: %w", err)
	}
	n, err := open(cfg, st)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bridge: %w", err), st.close())
	}
	return n, nil
}

func (c *Config) complete() error {
	if c.Dir == "" || !validKey.MatchString(c.Key) {
		return fmt.Errorf("Config wants a Dir and a Key of 1 to 40 letters, digits, '-', '_' or '.'; Dir is %q, Key %q", c.Dir, c.Key)
	}
	if c.Range != (netip.Prefix{}) {
		if err := usable(c.Range); err != nil {
			return err
		}
		c.Range = c.Range.Masked()
	}
	if !c.Publish.IsValid() {
		c.Publish = netip.IPv4Unspecified()
	}
	if c.Publish = c.Publish.Unmap(); !c.Publish.Is4() {
		return fmt.Errorf("publishing on %s: only IPv4 addresses can be", c.Publish)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return nil
}

func open(cfg Config, st *store) (*Network, error) {
	attached, err := st.load()
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	w, err := newWire(tagOf(cfg.Key))
	if err != nil {
		return nil, err
	}
	n := &Network{cfg: cfg, store: st, wire: w, attached: attached, held: map[string]*holding{}}
	n.flows = newFlows(cfg.Log)
	n.gather()
	if err := n.setUp(); err != nil {
		n.closeRuler()
		n.flows.close()
		w.h.Close()
		return nil, err
	}
	n.resume()
	return n, nil
}

// setUp makes what is shared by all attachments.
func (n *Network) setUp() error {
	worked := n.store.savedRange().IsValid()
	p, err := n.settle()
	if err != nil {
		return err
	}
	n.site = site{key: n.cfg.Key, tag: tagOf(n.cfg.Key), bridge: n.wire.bridge, subnet: p, publish: n.cfg.Publish}
	if !worked {
		return n.mend()
	}
	n.takeOver()
	return nil
}

// takeOver goes on by itself: an agent that comes back has nothing to wait for,
// since what a former process made still works. Trouble is told; Attach and Sweep
// try again.
func (n *Network) takeOver() {
	former := maps.Clone(n.attached)
	n.ruling.Lock()
	n.opening.Go(func() {
		err := n.rule()
		n.ruling.Unlock()
		if err != nil {
			n.cfg.Log.Error("the rules of the bridge cannot be made anew", "err", err)
		}
		n.deafenFormer(former)
	})
}

// mend makes the rules what they should be. Caller: setUp and Sweep.
func (n *Network) mend() error {
	n.ruling.Lock()
	defer n.ruling.Unlock()
	return n.rule()
}

// rule needs ruling. The back end is found when it is first needed.
func (n *Network) rule() (err error) {
	if n.ruler == nil {
		if n.ruler, err = newRuler(n.cfg.Backend, n.site); err != nil {
			return err
		}
	}
	if err := n.ruler.replace(n.rules()); err != nil {
		return err
	}
	if err := n.site.permit(); err != nil {
		return err
	}
	n.ruled.Store(true)
	return nil
}

func (n *Network) closeRuler() {
	if n.ruler != nil {
		n.ruler.close()
	}
}

// resume goes on where the last attachment was made.
func (n *Network) resume() {
	for _, r := range n.attached {
		if r.Order >= n.order {
			n.order, n.last = r.Order, r.Address
		}
	}
}

// Range is what containers get addresses from.
func (n *Network) Range() netip.Prefix { return n.site.subnet }

// Bridge is the name of the link on the host.
func (n *Network) Bridge() string { return n.wire.bridge }

// Close ends this process's part. Containers and published ports go on; but a
// namespace that no process has joined goes. With remove, the bridge, the rules
// and the state go as well, if nothing is attached; if something is, they stay.
func (n *Network) Close(remove bool) error {
	n.opening.Wait()
	n.mu.Lock()
	for _, h := range n.held {
		h.ns.close()
		h.ports.release()
	}
	clear(n.held)
	empty := len(n.attached) == 0
	n.mu.Unlock()
	var err error
	if remove && empty {
		err = n.takeAway()
	}
	n.closeRuler()
	n.flows.close()
	n.wire.h.Close()
	return errors.Join(err, n.store.close())
}

func (n *Network) takeAway() error {
	n.ruling.Lock()
	defer n.ruling.Unlock()
	var unruled error
	if n.ruler != nil {
		unruled = n.ruler.remove()
	}
	err := errors.Join(unruled, n.site.retract(), n.wire.drop(n.wire.bridge), n.store.clear())
	if err != nil {
		return fmt.Errorf("bridge: removing: %w", err)
	}
	return nil
}

// rules are those of all attachments.
func (n *Network) rules() []rule {
	n.mu.Lock()
	defer n.mu.Unlock()
	return rules(n.attached)
}

// tagOf makes six letters of a key, for names that must be short.
func tagOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:6]
}
