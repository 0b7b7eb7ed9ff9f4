package memory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/roster"
	"github.com/bayplan/bayplan/reconciler/loop"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
	"github.com/bayplan/bayplan/testenv/fake"
)

// Cluster is a whole cluster in one process: the real loop, roster, agents and
// loader over a repository, a ledger and an engine in memory. It is made for a
// synctest bubble, in which hours take no time.
type Cluster struct {
	Repo   *Repo
	Ledger *Ledger
	Engine *fake.Engine
	// Images are the registry: reference → pinned reference, or a failure.
	Images *Images

	// Policies are what machines refuse, by node, from their next start on.
	Policies map[string]*schema.MachinePolicy

	// Tree is what every evaluation waits for.
	Tree Gate

	// others are followed beside Repo, as the server's flags would say, out of repos.
	others []loop.Repo
	repos  map[string]*Repo

	troubles atomic.Pointer[[]status.Problem]

	t     *testing.T
	dir   string
	loop  *loop.Loop
	stop  func()
	links map[string]*Link
	kill  map[string]func()
}

// Images is a registry of tags; it is a loop.Resolver.
type Images struct {
	mu    sync.Mutex
	known map[string]string
	why   *nodes.Failure
	hangs bool
}

// Set makes ref stand for pinned; an empty pinned forgets it.
func (i *Images) Set(ref, pinned string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known[ref] = pinned
}

// Fail answers every question with why until it is nil.
func (i *Images) Fail(why *nodes.Failure) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.why = why
}

// Hang leaves every question asked from now on without an answer, or no more.
func (i *Images) Hang(hangs bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hangs = hangs
}

// Resolve answers as a registry would.
func (i *Images) Resolve(ctx context.Context, ref string, _ []schema.Registry) (string, *nodes.Failure) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.hangs:
		i.mu.Unlock()
		<-ctx.Done()
		i.mu.Lock()
		return "", &nodes.Failure{Code: nodes.RegistryUnreachable, Text: "no answer", At: time.Now(), Count: 1}
	case i.why != nil:
		return "", i.why
	case i.known[ref] == "":
		return "", &nodes.Failure{Code: nodes.ImageNotFound, Text: "image " + ref + " does not exist", At: time.Now(), Count: 1}
	}
	return i.known[ref], nil
}

// NewCluster starts a server and agents n1 to nN.
func NewCluster(t *testing.T, count int) *Cluster {
	c := &Cluster{Repo: NewRepo(), Ledger: &Ledger{}, Engine: fake.New(), Images: &Images{known: map[string]string{}},
		t: t, dir: t.TempDir(), repos: map[string]*Repo{}, links: map[string]*Link{}, kill: map[string]func(){}}
	c.StartServer()
	for i := range count {
		c.StartAgent(fmt.Sprintf("n%d", i+1))
	}
	return c
}

// Image makes ref known to the registry and to the engine.
func (c *Cluster) Image(ref string, lives ...fake.Program) {
	pinned := ref + "@sha256:" + fmt.Sprintf("%064x", len(ref)+int(ref[len(ref)-1]))
	c.Images.Set(ref, pinned)
	c.Engine.Image(pinned, lives...)
}

// StartServer starts a server over the same ledger; agents move to it.
func (c *Cluster) StartServer() {
	r := roster.New(time.Now)
	l, err := loop.New(loop.Config{Cluster: "test", Source: c.Repo, Fleet: r, Ledger: c.Ledger, Resolver: c.Images, Load: c.evaluate, Others: c.others, Troubles: c.told})
	if err != nil {
		c.t.Fatal(err)
	}
	c.loop = l
	c.stop = c.background(func(ctx context.Context) error { return l.Run(ctx) })
	for _, link := range c.links {
		link.Move(r)
	}
	c.roster(r)
}

// Troubles are what other parts of the server tell from now on.
func (c *Cluster) Troubles(all ...status.Problem) { c.troubles.Store(&all) }

func (c *Cluster) told() []status.Problem {
	if all := c.troubles.Load(); all != nil {
		return *all
	}
	return nil
}

func (c *Cluster) evaluate(ctx context.Context, files fs.FS, rev schema.Revision) (schema.Spec, error) {
	if err := c.Tree.pass(ctx); err != nil {
		return schema.Spec{}, err
	}
	return load.LoadContext(ctx, files, rev, load.WithGrants(schema.AllGrants()))
}

// Follow starts the server anew with other repositories beside Repo: those of names
// that were given before are as they were, the rest are empty.
func (c *Cluster) Follow(names ...string) []*Repo {
	c.StopServer()
	var all []*Repo
	c.others = nil
	for _, name := range names {
		repo := c.repos[name]
		if repo == nil {
			repo = NewRepo()
			c.repos[name] = repo
		}
		all = append(all, repo)
		c.others = append(c.others, loop.Repo{Followed: status.Followed{Name: name}, Source: repo,
			Load: func(ctx context.Context, operators, files fs.FS, rev schema.Revision) (schema.Spec, error) {
				return load.LoadContext(ctx, files, rev, load.WithGrants(schema.AllGrants()), load.WithOperators(operators, ""))
			}})
	}
	c.StartServer()
	return all
}

// StopServer ends the server; agents are on their own.
func (c *Cluster) StopServer() {
	for _, link := range c.links {
		link.Move(nil)
	}
	c.stop()
}

func (c *Cluster) roster(r *roster.Roster) {
	for name := range c.links {
		c.links[name].Move(r)
	}
	c.links[""] = NewLink(r) // remembers where new agents lead to
}

// StartAgent starts an agent that joins, or adopts what it left.
func (c *Cluster) StartAgent(name string) {
	to, _ := c.links[""].state()
	link := NewLink(to)
	c.links[name] = link
	a, err := agent.New(agent.Config{SinceBoot: func() time.Duration { return time.Duration(time.Now().UnixNano()) }, BootID: "b",
		Runtime: c.Engine.Runtime("test", name), Dir: filepath.Join(c.dir, name),
		Node: name, Policy: c.Policies[name], Address: "10.0.0.1", Log: slog.New(slog.DiscardHandler), Dial: c.Engine.Dial, Capacity: nodes.Capacity{CPU: 4000, Memory: 8 << 30}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.kill[name] = c.background(func(ctx context.Context) error { return a.Run(ctx, link) })
}

// Settings are what the server says to every node.
func (c *Cluster) Settings() nodes.Settings {
	to, _ := c.links[""].state()
	if s, _ := to.Settings(); s != nil {
		return *s
	}
	return nodes.Settings{}
}

// StopAgent ends an agent; its containers go on.
func (c *Cluster) StopAgent(name string) { c.kill[name]() }

// Cut breaks a node's link; Mend makes it whole.
func (c *Cluster) Cut(name string) { c.links[name].Move(nil) }

// Mend undoes Cut.
func (c *Cluster) Mend(name string) {
	to, _ := c.links[""].state()
	c.links[name].Move(to)
}

// Close ends everything.
func (c *Cluster) Close() {
	for _, kill := range c.kill {
		kill()
	}
	c.stop()
}

// background runs f until the result is called, which waits for its end.
func (c *Cluster) background(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
			c.t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

// Loop is the server's.
func (c *Cluster) Loop() *loop.Loop { return c.loop }

// Await waits until is holds of the status, for at most within of the clock.
func (c *Cluster) Await(within time.Duration, what string, is func(*status.Status) bool) *status.Status {
	c.t.Helper()
	timeout := time.After(within)
	for {
		s, newer := c.loop.Status()
		if is(s) {
			return s
		}
		select {
		case <-newer:
		case <-timeout:
			c.t.Fatalf("not within %s: %s; status: %s", within, what, Brief(s))
		}
	}
}
