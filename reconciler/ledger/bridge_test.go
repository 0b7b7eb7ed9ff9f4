package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestBridge_PassesWarningsOn(t *testing.T) {
	out := new(lines)
	log := newZap(out.logger(), func(*death) { t.Error("died") }).With(zap.String("member", "m1"))
	log.Info("starting")
	log.Warn(harmless[0])
	log.Warn("slow disk", zap.Int("ms", 7), zap.Error(errors.New("late")))
	log.Error("bad")
	want := `level=WARN msg="etcd: slow disk (error=late, member=m1, ms=7)"
level=ERROR msg="etcd: bad (member=m1)"
`
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestBridge_EndsTheGoroutineAndNotTheProcess(t *testing.T) {
	for name, c := range map[string]struct {
		log  func(*zap.Logger)
		full bool
	}{
		"fatal": {func(l *zap.Logger) { l.Fatal("no", zap.Error(errors.New("why"))) }, false},
		"panic": {func(l *zap.Logger) { l.Panic("no") }, false},
		"full":  {func(l *zap.Logger) { l.Fatal("no", zap.Error(fmt.Errorf("write db: %w", unix.ENOSPC))) }, true},
	} {
		died := make(chan *death, 1)
		ended := make(chan bool)
		go func() {
			defer close(ended)
			c.log(newZap(quiet(), func(d *death) { died <- d }))
			t.Errorf("%s: went on", name)
		}()
		<-ended
		if d := <-died; !errors.Is(d, ErrFailed) || errors.Is(d, ErrDiskFull) != c.full || !strings.Contains(d.Error(), "start the server again") {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// A day without trouble writes nothing to the log.
func TestLedger_IsSilent(t *testing.T) {
	out, dir := new(lines), t.TempDir()
	for range 2 {
		l, err := Open(t.Context(), Config{Dir: dir, Log: out.logger()})
		if err != nil {
			t.Fatal(err)
		}
		term := campaign(t, l)
		if err := term.Record(t.Context(), facts(t, l), clusterOf(3, 2), eventsOf(0, 2)); err != nil {
			t.Fatal(err)
		}
		closed(t, l)
	}
	if got := out.String(); got != "" {
		t.Error(got)
	}
}
