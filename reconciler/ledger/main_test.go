package ledger

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/bayplan/bayplan/reconciler"
)

// childEnv names a part that the test binary plays as a process of its own,
// because that part ends badly.
const childEnv, childDirEnv = "BAYPLAN_LEDGER_CHILD", "BAYPLAN_LEDGER_DIR"

var children = map[string]func(dir string){
	"open":   childOpen,
	"record": childRecord,
	"fill":   childFill,
	"idle":   childIdle,
}

func TestMain(m *testing.M) {
	if part := children[os.Getenv(childEnv)]; part != nil {
		part(os.Getenv(childDirEnv))
		os.Exit(0)
	}
	flag.Parse()
	if _, err := os.Stat("/dev/shm"); err == nil && flag.Lookup("test.bench").Value.String() == "" {
		// Nobody pulls the plug here, so nobody need wait for the disk.
		os.Setenv("TMPDIR", "/dev/shm")
	}
	goleak.VerifyTestMain(m)
}

// insist repeats what a stalled disk let time out, as the loop does.
func insist(f func() error) error {
	for {
		if err := f(); !errors.Is(err, ErrUnreachable) {
			return err
		}
	}
}

// child starts a part and gives its output by lines.
func child(t testing.TB, part, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+part, childDirEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// childOutput runs a part to its end, which must be a clean one.
func childOutput(t testing.TB, part, dir string) string {
	t.Helper()
	cmd, lines := child(t, part, dir)
	var b strings.Builder
	for lines.Scan() {
		b.WriteString(lines.Text() + "\n")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", part, err, b.String())
	}
	return b.String()
}

func childOpen(dir string) {
	l, err := Open(context.Background(), Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	defer l.Close()
	facts, err := l.Facts(context.Background())
	fmt.Println("opened:", len(facts.Nodes), err)
}

// quiet is a logger that fails no test and fills no screen.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func open(t testing.TB, dir string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), Config{Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func campaign(t testing.TB, l *Ledger) *Term {
	t.Helper()
	term, err := l.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return term
}

func facts(t testing.TB, l *Ledger) reconciler.Facts {
	t.Helper()
	f, err := l.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func closed(t testing.TB, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// differ is what two states of the facts do not share; an empty list and none
// are the same.
func differ(want, got reconciler.Facts) string {
	d := cmp.Diff(want, got, cmpopts.EquateEmpty())
	return d[:min(len(d), 2000)]
}

// within is a context for what a test expects to end soon.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
