package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Config says which node the agent is and what it may use.
type Config struct {
	// Runtime holds the node's containers; required.
	Runtime Runtime
	// Dir is the agent's own folder, made if missing; required. It holds
	// state.json; two agents never share one.
	Dir string
	// Node is the node's name, as in its certificate; required.
	Node string
	// Address is where other machines reach the node's published ports, and
	// what programs find in HOST_IP; required.
	Address string
	// Attributes are the operator's; "os", "arch", "node", "runtime" and what the
	// engine has found are added, and win.
	Attributes map[string]string
	// Capacity is what the operator grants the node in place of the engine's
	// word; a part that is zero is the engine's.
	Capacity nodes.Capacity
	// Reserve is kept for the machine itself; nil is 5 % of the processor and
	// 256 MiB, or a tenth of the memory where that is less.
	Reserve *nodes.Capacity
	// PortMin and PortMax bound (inclusive) the host ports that the scheduler
	// may choose from; both zero is 20000 to 32000, which lies below what Linux
	// hands out for outgoing connections.
	PortMin, PortMax int
	// Policy is what the machine refuses to start, whoever orders it; nil is nothing.
	Policy *schema.MachinePolicy
	// Version is the program's.
	Version string
	// Log tells one line for each change; nil is slog.Default.
	Log *slog.Logger
	// Metrics takes the agent's collectors; nil is none.
	Metrics prometheus.Registerer
	// Dial connects health probes; nil is the net package's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// SinceBoot reads a clock that runs while the machine sleeps, and BootID names
	// the boot that it counts from; nil and "" are the machine's.
	SinceBoot func() time.Duration
	BootID    string
}

// The range of host ports where the Config says none.
const (
	defaultPortMin = 20000
	defaultPortMax = 32000
)

// Agent runs one node. It is what an [Uplink] sees as [Node].
type Agent struct {
	cfg     Config
	runtime *groups
	log     *slog.Logger
	tel     *telemetry
	prober  prober
	store   *store
	// partings are the logs of what was stopped.
	partings *partings
	clock    clock
	changed  chan struct{}
	// relist, durable and news wake the lister, the keeper and the teller;
	// first is closed once the engine was asked.
	relist, durable, news, first chan struct{}

	// keeping is held while state.json is written, so that what is written
	// last is newest. It is taken before mu.
	keeping sync.Mutex

	// mu guards what follows. Nothing slow happens under it.
	mu sync.Mutex
	// ctx is Run's; nil while nothing runs: then nothing is begun.
	ctx     context.Context
	acts    sync.WaitGroup
	cancels map[string]context.CancelCauseFunc
	wake    *time.Timer
	local   *Local
	held    nodes.Assignment
	// settings are the cluster's, as far as they are known.
	settings nodes.Settings
	// refused is an Assignment that could not be written down yet.
	refused *nodes.Assignment
	info    Info
	// asked is whether info is from this run.
	asked bool
	node  nodes.Node
	shown []nodes.Instance
	// lease is until when what is leased may run; leased whether anything is.
	lease  Mark
	leased bool
	// leaseTold is whether it was told that the lease cannot be written down.
	leaseTold bool
	// engineTrouble and diskTrouble are why the node cannot take on more.
	engineTrouble, diskTrouble string
}

// New reads what an earlier run left in Dir. It does not need the engine. It
// takes Dir for itself until Run returns.
func New(cfg Config) (*Agent, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	st, kept, err := openStore(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("agent %s: %w", cfg.Node, err)
	}
	lease, err := st.readLease(cfg.BootID)
	if err != nil {
		st.close()
		return nil, fmt.Errorf("agent %s: %w", cfg.Node, err)
	}
	if kept.Assignment.Node != "" && kept.Assignment.Node != cfg.Node {
		st.close()
		return nil, fmt.Errorf("agent %s: %s belongs to node %s: choose another folder", cfg.Node, cfg.Dir, kept.Assignment.Node)
	}
	a := &Agent{
		cfg: cfg, log: cfg.Log.With("node", cfg.Node), tel: newTelemetry(cfg.Metrics), store: st,
		partings: &partings{dir: filepath.Join(cfg.Dir, "partings")},
		prober:   newProber(cfg), runtime: newGroups(cfg.Runtime), clock: newClock(), changed: make(chan struct{}, 1),
		relist: make(chan struct{}, 1), durable: make(chan struct{}, 1), news: make(chan struct{}, 1), first: make(chan struct{}),
		cancels: map[string]context.CancelCauseFunc{}, local: NewLocal(kept.Memory), held: kept.Assignment, settings: kept.Settings, info: kept.Info,
		lease: lease,
	}
	a.prober.runtime = a.runtime
	a.tel.assigned(a.held.Version)
	a.describe()
	a.useSettings(&a.settings)
	return a, nil
}

func (c *Config) fill() error {
	switch {
	case c.Runtime == nil:
		return errors.New("agent: Config.Runtime is missing")
	case c.Dir == "" || c.Node == "" || c.Address == "":
		return errors.New("agent: Config.Dir, Node and Address are required")
	case c.PortMin == 0 && c.PortMax == 0:
		c.PortMin, c.PortMax = defaultPortMin, defaultPortMax
	case c.PortMin < 1 || c.PortMax > 65535 || c.PortMin > c.PortMax:
		return fmt.Errorf("agent: ports %d to %d are no range within 1 to 65535", c.PortMin, c.PortMax)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.SinceBoot == nil {
		c.SinceBoot = sinceBoot
	}
	if c.BootID == "" {
		var err error
		if c.BootID, err = bootID(); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
	}
	c.Attributes = maps.Clone(c.Attributes)
	return c.bound()
}

// attributesOfOurs is room for the attributes that the agent adds.
const attributesOfOurs = 4

// bound is what the server would refuse, told where it can be mended.
func (c *Config) bound() error {
	if n := len(c.Attributes); n > nodes.MaxAttributes-attributesOfOurs {
		return fmt.Errorf("agent: %d attributes: use %d at most", n, nodes.MaxAttributes-attributesOfOurs)
	}
	said := nodes.Node{Address: c.Address, Attributes: c.Attributes, Allocatable: c.Capacity}
	if err := said.Bound(); err != nil {
		return fmt.Errorf("agent: the server would refuse this node: %w", err)
	}
	return nil
}

// firstList is how long the Uplink waits for the engine's first answer, so
// that the first Report is one with an inventory where that is to be had.
const firstList = 3 * time.Second

// Run lives by the Assignment until ctx ends, with or without a server. It
// leaves the containers as they are, and has ended all it began when it
// returns. It is called once.
func (a *Agent) Run(ctx context.Context, up Uplink) error {
	defer a.store.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.open(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { a.watcher(ctx) })
	parts.Go(func() { a.lister(ctx) })
	parts.Go(func() { a.keeper(ctx) })
	parts.Go(func() { a.teller(ctx) })
	err := a.uplink(ctx, up)
	if ctx.Err() != nil {
		err = nil
	}
	cancel()
	parts.Wait()
	a.close()
	return errors.Join(err, a.keep())
}

func (a *Agent) uplink(ctx context.Context, up Uplink) error {
	select {
	case <-a.first:
	case <-time.After(firstList):
	case <-ctx.Done():
	}
	if up == nil {
		<-ctx.Done()
		return nil
	}
	return up.Run(ctx, a)
}

// open lets steps begin actions; close awaits those that were begun.
func (a *Agent) open(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ctx = ctx
	a.wake = time.AfterFunc(time.Hour, func() { a.enter(Input{}) })
	a.step(Input{}) // what was last known, until the engine answers
	held := a.held.Orders
	a.acts.Go(func() { a.bind(nil, held) }) // the agent before may have died on the way
}

func (a *Agent) close() {
	a.mu.Lock()
	a.ctx = nil
	a.wake.Stop()
	a.mu.Unlock()
	a.acts.Wait()
}

// Report is the node's present state.
func (a *Agent) Report() nodes.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, _ := a.clock.read()
	return nodes.Report{
		Node: a.node, Seen: a.held.Version, Now: now,
		Instances: a.shown, Deleted: a.local.Deleted(), Endings: a.local.Endings(), Inventory: a.local.Inventory(),
	}
}

// Changed yields after the Report changed.
func (a *Agent) Changed() <-chan struct{} { return a.changed }

// Holds is the Assignment that the agent lives by.
func (a *Agent) Holds() nodes.Assignment {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held
}

// Logs writes a container's output, or what is kept of one that was removed.
func (a *Agent) Logs(ctx context.Context, id string, o LogOptions, w io.Writer) error {
	out := &heardOf{Writer: w}
	err := a.runtime.Logs(ctx, id, o, out)
	if err == nil || out.some || ctx.Err() != nil {
		return err
	}
	if kept, trouble := a.partings.copy(id, o, w); kept || trouble != nil {
		return trouble
	}
	return err
}

// Exec runs a command in a container.
func (a *Agent) Exec(ctx context.Context, id string, e Exec) (int, error) {
	return a.runtime.Exec(ctx, id, e)
}

// poke wakes who waits on c; one wake is enough for many.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
