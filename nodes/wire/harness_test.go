package wire

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/roster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patienceOfTests is when a test gives up waiting for an event; nothing waits
// this long where all is well.
const patienceOfTests = 20 * time.Second

// cluster is a server on loopback with the parts that outlive it.
type cluster struct {
	t      testing.TB
	ca     *CA
	tokens *tokens
	cfg    ServerConfig
	log    *transcript
	pipes  *pipes // in place of loopback, where the clock is not real

	// Of the present run of the server.
	roster *roster.Roster
	server *Server
	addr   atomic.Value // string: where the server listens now
	stop   func()
}

func newCluster(t testing.TB, edit ...func(*ServerConfig)) *cluster {
	t.Helper()
	return newClusterOn(t, nil, edit...)
}

func newClusterOn(t testing.TB, p *pipes, edit ...func(*ServerConfig)) *cluster {
	t.Helper()
	ca, err := NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, ca: ca, tokens: &tokens{}, log: &transcript{}, pipes: p}
	c.cfg = ServerConfig{CA: ca, Tokens: c.tokens, Log: c.log.logger()}
	for _, e := range edit {
		e(&c.cfg)
	}
	c.start()
	t.Cleanup(func() { c.stop() })
	return c
}

// start begins a run of the server, with an empty roster.
func (c *cluster) start() {
	c.t.Helper()
	c.roster = roster.New(time.Now)
	c.roster.Decided(time.Now().Add(time.Hour)) // nothing more is to come
	if l, ok := c.cfg.Roster.(*lossyRoster); ok {
		l.Roster = c.roster
	} else {
		c.cfg.Roster = c.roster
	}
	c.server = NewServer(c.cfg)
	mux := http.NewServeMux()
	c.server.Mount(mux)
	conf, err := TLSConfig(c.ca, []string{"127.0.0.1"}, c.cfg.Now)
	if err != nil {
		c.t.Fatal(err)
	}
	l := c.listen()
	srv := NewHTTPServer(mux, conf)
	srv.ErrorLog = slog.NewLogLogger(c.log.logger().Handler(), slog.LevelInfo)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.ServeTLS(l, "", "") // ends by Close
	}()
	server := c.server
	c.addr.Store(l.Addr().String())
	c.stop = sync.OnceFunc(func() {
		server.Close()
		_ = srv.Close()
		<-done
	})
}

func (c *cluster) listen() net.Listener {
	c.t.Helper()
	if c.pipes != nil {
		return c.pipes
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	return l
}

// dial goes to the present run, wherever it listens.
func (c *cluster) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if c.pipes != nil {
		return c.pipes.dial(ctx)
	}
	return dialTCP(ctx, network, c.addr.Load().(string))
}

func (c *cluster) token() JoinInfo {
	c.t.Helper()
	token := NewToken()
	if err := c.tokens.PutToken(context.Background(), TokenHash(token), time.Now().Add(time.Hour)); err != nil {
		c.t.Fatal(err)
	}
	return JoinInfo{Token: token, Server: c.addr.Load().(string), Pin: c.ca.Pin()}
}

// join makes a folder with a node's credentials.
func (c *cluster) join(node string) string {
	c.t.Helper()
	dir := c.t.TempDir()
	if err := join(context.Background(), c.token(), dir, node, c.dial, time.Now); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// client dials with the credentials in dir.
func (c *cluster) client(dir string, edit ...func(*ClientConfig)) *Client {
	c.t.Helper()
	cfg := ClientConfig{Dir: dir, Log: c.log.logger(), dial: c.dial}
	for _, e := range edit {
		e(&cfg)
	}
	k, err := Dial(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	return k
}

// run keeps a node's session until stop, or the test, ends.
func (c *cluster) run(k *Client, m *machine) (stop func()) {
	c.t.Helper()
	return c.runs(k, m)
}

func (c *cluster) runs(k *Client, m agent.Node) (stop func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx, m) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Errorf("Run: %v", err)
		}
	})
	c.t.Cleanup(stop)
	return stop
}

// node joins, runs and is seen.
func (c *cluster) node(name string) (*machine, func()) {
	c.t.Helper()
	m := newMachine(name)
	stop := c.run(c.client(c.join(name)), m)
	c.see(name+" reports", func(s *nodes.Snapshot) bool { return s.Node(name) != nil })
	return m, stop
}

// see waits until the snapshot is as wanted.
func (c *cluster) see(what string, ok func(*nodes.Snapshot) bool) {
	c.t.Helper()
	late := time.After(patienceOfTests)
	for {
		if s := c.roster.Snapshot(); ok(&s) {
			return
		}
		select {
		case <-c.roster.Changed():
		case <-late:
			c.t.Fatalf("%s: never seen; the log:\n%s", what, c.log.text())
		}
	}
}

// orders is the next Assignment that the machine took over.
func (m *machine) next(t testing.TB) nodes.Assignment {
	t.Helper()
	return recv(t, m.orders, "an Assignment")
}

func recv[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patienceOfTests):
		t.Fatalf("%s never came", what)
		panic("unreachable")
	}
}

// serve serves on loopback until the test ends, and returns where.
func serve(t testing.TB, srv *http.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.ServeTLS(l, "", "") // ends by Close
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return l.Addr().String()
}
