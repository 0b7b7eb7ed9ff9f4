package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/demo"
)

const (
	// readyLimit is how long the server may take to serve; a second is usual.
	readyLimit = 60 * time.Second
	// joinLimit is how long the sample waits for nodes that do not come.
	joinLimit = 5 * time.Second
	// healthyLimit is how long the sample may take; the cluster stays up beyond it.
	healthyLimit = 3 * time.Minute
	// cleanLimit bounds the removal of containers.
	cleanLimit = time.Minute
	// givenUp is how many deaths in a row, before it ever served, end the wait
	// for a server.
	givenUp = 3
)

// Run brings a cluster up, says how to use it, and stays until ctx ends; then it
// takes everything down again. It fails if the cluster could not be brought up,
// or not be taken down.
func Run(ctx context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	f, err := openFolder(c.Dir)
	if err != nil {
		return err
	}
	d := &cluster{Config: c, folder: f, talk: newTalk(c.Talk)}
	err = d.run(ctx)
	return errors.Join(err, f.close())
}

// cluster is one run of a whole cluster.
type cluster struct {
	Config
	folder   *folder
	talk     *talk
	keeper   *keeper
	registry *demo.Registry
	ports    ports

	mu     sync.Mutex
	server Server // as of its last start
	deaths int    // of the server, before it served
}

func (d *cluster) run(ctx context.Context) error {
	starter := newStarter()
	defer starter.close()
	d.keeper = &keeper{starter: starter, dir: d.folder.path, hurry: d.Hurry}
	if err := d.bind(); err != nil {
		return err
	}
	defer d.registry.Close()

	server, agents := newCrew(d.keeper), newCrew(d.keeper)
	err := d.up(ctx, server, agents)
	if err == nil {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		err = nil // what failed did so because it was told to stop
		d.talk.say("stopping; Ctrl-C again hurries")
	}
	return errors.Join(err, d.down(server, agents))
}

// bind takes the registry's port and settles the server's, both as they were
// before in this folder.
func (d *cluster) bind() error {
	p, err := d.folder.loadPorts()
	if err != nil {
		return err
	}
	if p.Registry == "" {
		p.Registry = "127.0.0.1:0"
	}
	if _, port, _ := net.SplitHostPort(d.Listen); port != "0" || p.Server == "" {
		p.Server = d.Listen
	}
	l, err := listenAgain(p.Registry)
	if err != nil {
		return fmt.Errorf("the registry of %s: %w; stop what holds the port, or give another --dir", d.folder.path, err)
	}
	if p.Server, err = freeAddress(p.Server); err != nil {
		l.Close()
		return fmt.Errorf("the server's address: %w; stop what holds it, or give another with --listen", err)
	}
	p.Registry = l.Addr().String()
	if p.Nodes == "" {
		p.Nodes = nodeNet()
	}
	d.ports = p
	if err := d.folder.savePorts(p); err != nil {
		l.Close()
		return err
	}
	d.registry = demo.Serve(l)
	return nil
}

// up does all that can be done side by side until the sample runs.
func (d *cluster) up(ctx context.Context, server, agents *crew) error {
	if err := initRepository(ctx, d.repository()); err != nil {
		return err
	}
	if err := remove(d.folder.join("env"), d.readyFile()); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.checkEngine(ctx) })
	g.Go(func() error { return d.loadImages(ctx) })
	g.Go(func() error { return d.startMembers(ctx, server, agents) })
	return g.Wait()
}

// startMembers starts the server, then the agents, and commits the sample once
// they are there: what is committed to a single node first would all be on it.
func (d *cluster) startMembers(ctx context.Context, server, agents *crew) error {
	s, err := d.startServer(ctx, server)
	if err != nil {
		return err
	}
	for i := 1; i <= d.Nodes; i++ {
		d.startAgent(agents, i)
	}
	if err := d.awaitNodes(ctx, s); err != nil {
		return err
	}
	commit, err := seed(ctx, d.repository(), d.Sample, d.registry.Image())
	if err != nil {
		return err
	}
	d.talk.say("repository %s at commit %.10s", d.repository(), commit)
	if err := writeAtomic(d.folder.join("env"), d.env(s)); err != nil {
		return err
	}
	return d.awaitSample(ctx, s, commit)
}

func (d *cluster) checkEngine(ctx context.Context) error {
	engine, err := d.Engine(ctx)
	if err != nil {
		return err
	}
	d.talk.say("engine %s", engine)
	return nil
}

func (d *cluster) loadImages(ctx context.Context) error {
	if err := d.registry.Load(ctx); err != nil {
		return err
	}
	d.talk.say("registry %s with tags 1, 2 and bad", d.registry.Image())
	return nil
}

// down stops agents before the server, so that nothing is ordered of a node
// that leaves, then removes the containers.
func (d *cluster) down(server, agents *crew) error {
	agents.stop()
	server.stop()
	d.mu.Lock()
	name := d.server.Cluster
	d.mu.Unlock()
	if name == "" {
		return nil // it never served, so it never ordered anything
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanLimit)
	defer cancel()
	if err := d.Clean(ctx, name, d.everyNode(), d.folder.temporary); err != nil {
		return fmt.Errorf("removing the containers of %s: %w%s", name, err, d.seeAlso(name))
	}
	d.talk.say("nothing is left running")
	return nil
}

// seeAlso is where a person finds what was left.
func (d *cluster) seeAlso(name string) string {
	if d.Runtime != "docker" {
		return ""
	}
	return "; see: docker ps --filter label=io.bayplan.cluster=" + name
}

// crew is some children that are stopped together.
type crew struct {
	keeper *keeper
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newCrew(k *keeper) *crew {
	c := &crew{keeper: k}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

func (c *crew) add(x child) { c.wg.Go(func() { c.keeper.keep(c.ctx, x) }) }

// stop returns once every child has ended.
func (c *crew) stop() {
	c.cancel()
	c.wg.Wait()
}

func (d *cluster) bayplan(args ...string) *exec.Cmd { return exec.Command(d.Executable, args...) }
func (d *cluster) repository() string               { return d.folder.join("repo.git") }
func (d *cluster) readyFile() string                { return d.folder.join("server.ready") }

// remove deletes files that may not be there.
func remove(paths ...string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
