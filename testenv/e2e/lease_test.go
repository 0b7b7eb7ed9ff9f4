package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
)

// leasedDB may be had elsewhere once its node is lost, and takes its time to end.
const leasedDB = `
	image: "IMAGE"
	args: ["ignore", "sleep"]
	resources: {cpu: "20m", memory: "16Mi"}
	onLost: "replace"
	update: minHealthyTime: "0s"
	stop: grace: "2m"
`

// A node is cut off from the server: what has a lease ends there by itself before
// it is started elsewhere, what has none runs on, and once the node is back nothing
// is taken back (I2, I25).
func TestE2E_LeaseOfACutOffNode(t *testing.T) { onEach(t, leaseOfACutOffNode) }

func leaseOfACutOffNode(t *testing.T, on world) {
	s := buildOn(t, on)
	s.up(2)
	gates := map[string]*gate{}
	for i, name := range []string{"n1", "n2"} {
		gates[name] = s.behindGate(name, i+1)
	}
	s.eventually("nodes behind gates", func() bool { return ready(s.status()) == 2 })
	s.putKind("hello/db", "stateful", leasedDB)
	s.put("hello/web", "\n\treplicas: 2"+sleeper)
	s.wantOutcome(s.commit("one that has a lease"), reconciler.Applied)
	home := s.workload("hello/db").Slots[0].Node
	web := s.of("hello/web")
	rec := record(t, s.dev)
	// From here on until the node's last word is over, it is heard every five seconds.
	gates[home].shut()
	cut := time.Now()
	s.eventually("word of the wait", func() bool { return strings.Contains(s.shell("bayplan status"), "its lease there is over at") })
	first := func(what string) event {
		rec.await(t, what+" of what is leased", 0, action(what, "hello/db"))
		return rec.since(0, action(what, "hello/db"))[0]
	}
	died, began := first("die"), first("start")
	if after := died.at.Sub(cut); died.node != home || after < 50*time.Second || after > 72*time.Second {
		t.Errorf("it ended on %s (it was on %s) after %s", died.node, home, after)
	}
	if after := began.at.Sub(cut); began.node == home || after < 79*time.Second || after > 100*time.Second {
		t.Errorf("it was started on %s (it was on %s) after %s", began.node, home, after)
	}
	gates[home].open()
	s.eventually("the node again", func() bool { return ready(s.status()) == 2 })
	s.eventually("nothing left of the first", func() bool { return len(s.of("hello/db")) == 1 && healthy(s.status(), "hello/db") == 1 })
	if again := rec.since(0, action("start", "hello/db")); len(again) != 1 {
		t.Errorf("I2: started more than once: %v", again)
	}
	s.eventually("as many services as before", func() bool { return len(s.of("hello/web")) == 2 })
	for id, life := range web {
		if ended := rec.since(0, func(e *event) bool { return e.what == "die" && e.id == id && e.at.Before(cut.Add(79*time.Second)) }); len(ended) > 0 {
			t.Errorf("I25: %s ended while its node was cut off: %v", life, ended)
		}
	}
}

// gate is a way to the server that can be shut: what is open is cut, and what knocks
// is turned away.
type gate struct {
	to     string
	listen net.Listener
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

// behindGate starts a node's agent anew, which from then on reaches the server by a
// gate alone.
func (s *site) behindGate(name string, i int) *gate {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	g := &gate{to: s.listen, listen: l, conns: map[net.Conn]bool{}}
	g.wg.Go(g.serve)
	s.t.Cleanup(g.end)
	s.agents[name].kill()
	path := filepath.Join(s.dir, name, "identity.json")
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	moved := strings.ReplaceAll(string(b), s.listen, l.Addr().String())
	if moved == string(b) {
		s.t.Fatalf("%s does not name the server %s: %s", path, s.listen, b)
	}
	if err := os.WriteFile(path, []byte(moved), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.startAgent(name, i)
	return g
}

func (g *gate) serve() {
	for {
		c, err := g.listen.Accept()
		if err != nil {
			return
		}
		g.wg.Go(func() { g.carry(c) })
	}
}

func (g *gate) carry(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer to.Close()
	if !g.enter(from, to) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(from, to)
		from.Close()
	})
	io.Copy(to, from)
	to.Close()
	back.Wait()
}

// enter is whether they may talk.
func (g *gate) enter(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.conns[c] = true
	}
	return !g.closed
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.conns {
		c.Close()
	}
	clear(g.conns)
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}

func (g *gate) end() {
	g.listen.Close()
	g.shut()
	g.wg.Wait()
}
