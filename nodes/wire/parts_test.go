package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// tokens is a working Tokens in memory.
type tokens struct {
	mu   sync.Mutex
	good map[string]time.Time // zero once used
}

func (k *tokens) PutToken(_ context.Context, hash string, expires time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.good == nil {
		k.good = map[string]time.Time{}
	}
	k.good[hash] = expires
	return nil
}

func (k *tokens) TakeToken(_ context.Context, hash string, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	expires, ok := k.good[hash]
	switch {
	case !ok:
		return nodes.ErrTokenUnknown
	case expires.IsZero():
		return nodes.ErrTokenUsed
	case now.After(expires):
		return nodes.ErrTokenExpired
	}
	k.good[hash] = time.Time{}
	return nil
}

// machine is a working agent.Node whose containers are a list.
type machine struct {
	changed chan struct{}
	// orders yields every Assignment that was taken over.
	orders chan nodes.Assignment
	logs   func(ctx context.Context, id string, o agent.LogOptions, w io.Writer) error
	exec   func(ctx context.Context, id string, e agent.Exec) (int, error)

	mu     sync.Mutex
	report nodes.Report
	holds  nodes.Assignment
	quiet  bool // changes are not signalled
}

func newMachine(name string) *machine {
	return &machine{
		changed: make(chan struct{}, 1), orders: make(chan nodes.Assignment, 100),
		report: nodes.Report{Node: nodes.Node{Name: name, Address: "127.0.0.1"}, Inventory: true},
	}
}

func (m *machine) Report() nodes.Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.report
	r.Now = time.Now()
	return r
}

func (m *machine) Changed() <-chan struct{} { return m.changed }

func (m *machine) Assign(a nodes.Assignment) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.Version.Compare(m.holds.Version) < 0 {
		return fmt.Errorf("epoch %d is older than %d, which this node holds", a.Version.Epoch, m.holds.Version.Epoch)
	}
	m.holds = a
	m.orders <- a
	return nil
}

func (m *machine) Holds() nodes.Assignment {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holds
}

func (m *machine) Logs(ctx context.Context, id string, o agent.LogOptions, w io.Writer) error {
	return m.logs(ctx, id, o, w)
}

func (m *machine) Exec(ctx context.Context, id string, e agent.Exec) (int, error) {
	return m.exec(ctx, id, e)
}

// set makes the machine report these instances.
func (m *machine) set(list ...nodes.Instance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report.Instances = list
	if m.quiet {
		return
	}
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func instance(id string, p nodes.Phase) nodes.Instance {
	return nodes.Instance{ID: id, Slot: schema.Slot{Workload: "shop/web"}, Phase: p, Since: time.Now()}
}

// transcript is a log that a test reads.
type transcript struct {
	mu   sync.Mutex
	b    bytes.Buffer
	news chan struct{}
}

func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.news != nil {
		close(l.news)
		l.news = nil
	}
	return l.b.Write(b)
}

func (l *transcript) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *transcript) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// says waits until the log has n lines with the text.
func (l *transcript) says(t testing.TB, n int, text string) {
	t.Helper()
	late := time.After(patienceOfTests)
	for {
		l.mu.Lock()
		if l.news == nil {
			l.news = make(chan struct{})
		}
		news, got := l.news, bytes.Count(l.b.Bytes(), []byte(text))
		l.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-news:
		case <-late:
			t.Fatalf("the log never said %q %d times:\n%s", text, n, l.text())
		}
	}
}
