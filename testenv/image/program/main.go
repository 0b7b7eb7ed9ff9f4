// Program is all that the test image holds: it takes the steps of
// nodes/agent/runtimetest/steps on a real machine.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
)

func main() {
	m := &machine{signals: make(chan os.Signal, 1)}
	signal.Notify(m.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	os.Exit(steps.Run(m, os.Args[1:]))
}

type machine struct {
	signals  chan os.Signal
	ignoring bool
	hoard    [][]byte
}

func (*machine) Stdin() io.Reader          { return os.Stdin }
func (*machine) Stdout() io.Writer         { return os.Stdout }
func (*machine) Stderr() io.Writer         { return os.Stderr }
func (*machine) Getenv(name string) string { return os.Getenv(name) }

func (*machine) Whoami() string {
	dir, err := os.Getwd()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d:%d %s", os.Getuid(), os.Getgid(), dir)
}

func (*machine) Terminal() (rows, cols int, ok bool) {
	cols, rows, err := term.GetSize(int(os.Stdout.Fd()))
	return rows, cols, err == nil
}

func (*machine) WriteFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }

func (*machine) ReadFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	return string(b), err
}

func (*machine) Serve(port int) error {
	l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return err
	}
	go func() {
		fmt.Fprintln(os.Stderr, http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.URL.Path)
		})))
	}()
	return nil
}

func (m *machine) IgnoreSignals() { m.ignoring = true }

func (m *machine) AwaitSignal() string {
	for s := range m.signals {
		if !m.ignoring {
			return unix.SignalName(s.(syscall.Signal))
		}
	}
	return ""
}

// Exhaust touches each page, so that the memory is really taken.
func (m *machine) Exhaust() {
	const chunk = 1 << 20
	for {
		b := make([]byte, chunk)
		for i := 0; i < chunk; i += 4096 {
			b[i] = 1
		}
		m.hoard = append(m.hoard, b)
	}
}

func (*machine) Fork(n int) int {
	var all []*exec.Cmd
	for range n {
		c := exec.Command("/proc/self/exe", "sleep")
		if c.Start() != nil {
			break
		}
		all = append(all, c)
	}
	for _, c := range all {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	return len(all)
}
