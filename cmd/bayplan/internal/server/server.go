package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/telemetry"
	"github.com/bayplan/bayplan/nodes/roster"
	"github.com/bayplan/bayplan/nodes/wire"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/evaluate"
	"github.com/bayplan/bayplan/reconciler/forge"
	"github.com/bayplan/bayplan/reconciler/ledger"
	"github.com/bayplan/bayplan/reconciler/loop"
	"github.com/bayplan/bayplan/reconciler/registry"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// Run serves until ctx ends. out gets the join lines.
func Run(ctx context.Context, cfg Config, out io.Writer) error {
	if err := cfg.check(); err != nil {
		return err
	}
	s := &server{Config: cfg, registry: telemetry.NewRegistry()}
	defer s.close()
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.announce(ctx, out); err != nil {
		return err
	}
	return s.serve(ctx)
}

// server is everything that one process holds open.
type server struct {
	Config
	registry *prometheus.Registry
	listener net.Listener
	ledger   *ledger.Ledger
	source   *source.Source
	others   []following
	cluster  ledger.Cluster
	roster   *roster.Roster
	fleet    *wire.Server
	loop     *loop.Loop
	workers  *evaluate.Pool
	joiner   joiner
	operator operatorFiles
	tls      *tls.Config
	metrics  string
	hook     *forge.Hook // nil without a secret
	webhooks string
	reviews  []*reviewing // of the repositories whose forge's token is known
	calls    []connect.Interceptor
}

// open opens everything in the order in which it depends on each other. The
// address comes first: a port that is taken is the commonest mistake.
func (s *server) open(ctx context.Context) (err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if s.listener, err = net.Listen("tcp", s.Listen); err != nil {
		return fmt.Errorf("%w; choose another --listen", err)
	}
	if s.ledger, err = ledger.Open(ctx, ledger.Config{Dir: filepath.Join(s.Dir, "ledger"), Endpoints: s.Etcd, Log: s.Log}); err != nil {
		return err
	}
	var ca *wire.CA
	if s.cluster, ca, err = openCluster(ctx, s.ledger, s.Name); err != nil {
		return err
	}
	if s.operator, err = writeOperator(s.Dir, ca, time.Now()); err != nil {
		return err
	}
	if s.tls, err = wire.TLSConfig(ca, s.hosts(), nil); err != nil {
		return err
	}
	s.Source.Dir, s.Source.Log = filepath.Join(s.Dir, "mirror"), s.Log
	if s.source, err = source.Open(s.Source); err != nil {
		return err
	}
	if err := s.openOthers(); err != nil {
		return err
	}
	s.joiner = joiner{tokens{s.ledger}, s.reachedBy(), ca.Pin()}
	return s.openLoop(ctx, ca)
}

func (s *server) openLoop(ctx context.Context, ca *wire.CA) (err error) {
	s.roster = roster.New(time.Now)
	s.fleet = wire.NewServer(wire.ServerConfig{CA: ca, Tokens: s.joiner.tokens, Roster: s.roster, Log: s.Log,
		Enrolled: s.enrolled, Admit: s.admit, NodeLife: s.NodeLife})
	evaluate, err := s.evaluator()
	if err != nil {
		return err
	}
	others, err := s.follow()
	if err != nil {
		return err
	}
	s.loop, err = loop.New(loop.Config{
		Cluster: s.cluster.ID, Source: s.source, Fleet: s.roster, Ledger: memory{s.ledger},
		Resolver: registry.Resolver{AuthFile: s.RegistryAuth}, Load: evaluate, Others: others, Followed: s.followed(), Troubles: s.troubles, Log: s.Log, Metrics: s.registry,
	})
	if err != nil {
		return err
	}
	if s.calls, err = telemetry.Interceptors(); err != nil {
		return err
	}
	if s.metrics, err = telemetry.ServeMetrics(ctx, s.MetricsListen, s.registry); err != nil {
		return err
	}
	if err := s.openReviews(); err != nil {
		return err
	}
	return s.openHooks(ctx)
}

// evaluator is the loader with a memory of what did not change, and with workers
// that evaluate what did. One tree at a time: evaluating is bound by the processor.
func (s *server) evaluator() (func(context.Context, fs.FS, schema.Revision) (schema.Spec, error), error) {
	cache, err := load.OpenCache(filepath.Join(s.Dir, "evaluated"))
	if err != nil {
		return nil, err
	}
	s.workers = evaluate.New(evaluate.Config{Memory: int64(s.EvalMemory), Log: s.Log})
	return s.evaluatorWith(cache), nil
}

// evaluatorWith is one with a memory of its own: what others wrote, and is not
// merged, takes no turn of what is and drives nothing out of its memory.
func (s *server) evaluatorWith(cache *load.Cache) func(context.Context, fs.FS, schema.Revision) (schema.Spec, error) {
	opts := append(s.loading(cache), load.WithEnvironment(s.Environment))
	var one sync.Mutex
	return func(ctx context.Context, files fs.FS, rev schema.Revision) (schema.Spec, error) {
		one.Lock()
		defer one.Unlock()
		return load.LoadContext(ctx, files, rev, opts...)
	}
}

func (s *server) loading(cache *load.Cache) []load.Option {
	return []load.Option{load.WithCache(cache), load.WithEvaluator(s.workers.Evaluate),
		load.WithLimits(load.Limits{PackageTime: s.EvalTimeout}), load.WithGrants(s.Allow)}
}

// enrolled records a join before the node gets its certificate (I39).
func (s *server) enrolled(ctx context.Context, e wire.Enrolled) error {
	return s.loop.Enrol(ctx, reconciler.Enrolment{Node: e.Node, Key: e.Key, From: e.From, At: e.At})
}

// admit keeps out a machine whose name another one has joined under since.
func (s *server) admit(_ context.Context, who wire.Identity) error {
	return s.loop.Admit(who.Name, who.Key)
}

// troubles are what the loop does not see itself.
func (s *server) troubles() (all []status.Problem) {
	if err := s.ledger.Away(); err != nil {
		all = append(all, status.Problem{Code: "ledger-unreachable", Text: err.Error(),
			Next: "see to etcd (etcdctl endpoint health); until it answers nothing new is ordered, and what runs goes on running"})
	}
	if err := s.ledger.Low(); err != nil {
		all = append(all, status.Problem{Code: "disk-low", Text: err.Error(), Next: "free space under " + s.Dir + "; what runs goes on running"})
	}
	return all
}

// stopWithin is how long calls under way may take when the server ends.
const stopWithin = 2 * time.Second

// serve runs until ctx ends or a part fails; then all the others end.
func (s *server) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	web := wire.NewHTTPServer(s.handler(), s.tls)
	web.BaseContext = func(net.Listener) context.Context { return ctx }
	g.Go(func() error {
		if err := web.ServeTLS(s.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		s.fleet.Close()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if web.Shutdown(stop) != nil {
			_ = web.Close()
		}
		return nil
	})
	g.Go(func() error { return s.loop.Run(ctx) })
	g.Go(func() error { return s.watchLedger(ctx) })
	for _, r := range s.reviews {
		g.Go(func() error { return r.Run(ctx) })
	}
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// watchLedger ends the server with a ledger that has died: it starts anew with
// a fresh one, and what runs goes on running meanwhile.
func (s *server) watchLedger(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.ledger.Done():
		return s.ledger.Err()
	}
}

func (s *server) close() {
	for _, r := range s.reviews {
		r.close()
	}
	if s.workers != nil {
		s.workers.Close()
	}
	if s.source != nil {
		_ = s.source.Close()
	}
	for _, f := range s.others {
		_ = f.source.Close()
	}
	if s.ledger != nil {
		_ = s.ledger.Close()
	}
	if s.listener != nil {
		_ = s.listener.Close()
	}
}
