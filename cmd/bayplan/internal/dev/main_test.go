package dev

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is also every child: called with one of these words it is
// that program.
func TestMain(m *testing.M) {
	programs := map[string]func([]string) error{
		"witness": witness, "supervisor": supervisor, "server": fakeServer, "agent": fakeAgent,
	}
	if len(os.Args) > 1 && programs[os.Args[1]] != nil {
		if err := programs[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children under -race end without its second of rest
	goleak.VerifyTestMain(m)
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// witness tells the socket its pid and stays; its end is the connection's end.
// On SIGTERM it says "term" and goes, unless it is "deaf".
func witness(args []string) error {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	c, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	fmt.Fprintln(c, os.Getpid())
	for range term {
		fmt.Fprintln(c, "term")
		if len(args) == 1 {
			return nil
		}
	}
	return nil
}

// supervisor keeps a witness until it is killed.
func supervisor(args []string) error {
	s := newStarter()
	k := &keeper{starter: s, dir: args[1]}
	return k.keep(context.Background(), child{
		name:    "w",
		command: func() (*exec.Cmd, error) { return exec.Command(self(), "witness", args[0]), nil },
		died:    func(error, int, time.Duration) {},
	})
}

// fakeServer does of `bayplan server` what a supervisor sees.
func fakeServer(args []string) error {
	var listen, ready, data string
	var tokens int
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	fs.StringVar(&listen, "listen", "", "")
	fs.StringVar(&ready, "ready-file", "", "")
	fs.StringVar(&data, "data-dir", "", "")
	fs.IntVar(&tokens, "join-tokens", 0, "")
	for _, unused := range []string{"name", "repo", "branch", "poll"} {
		fs.String(unused, "", "")
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	if os.Getenv("FAKE_SERVER") == "dies" {
		return fmt.Errorf("etcd: the disk is on fire")
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	defer l.Close()
	s := Server{URL: "https://" + l.Addr().String(), Cluster: "dev-1234", CA: data + "/ca.crt", Cert: data + "/op.crt", Key: data + "/op.key"}
	for i := range tokens {
		s.Join = append(s.Join, fmt.Sprintf("%d.token", os.Getpid()+i))
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return untilTerm(filepath.Dir(data), "server", func() error { return writeAtomic(ready, string(b)) })
}

// fakeAgent does of `bayplan agent` what a supervisor sees.
func fakeAgent(args []string) error {
	var node, data string
	fs := flag.NewFlagSet("agent", flag.ContinueOnError)
	fs.StringVar(&node, "node", "", "")
	fs.StringVar(&data, "data-dir", "", "")
	for _, unused := range []string{"address", "publish", "ports", "runtime", "join"} {
		fs.String(unused, "", "")
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	return untilTerm(filepath.Dir(data), node, func() error { return nil })
}

// untilTerm tells dir/events "NAME up" and, on SIGTERM, "NAME down".
func untilTerm(dir, name string, up func() error) error {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	c, err := net.Dial("unix", os.Getenv("FAKE_EVENTS"))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := up(); err != nil {
		return err
	}
	fmt.Fprintf(c, "%s up\n", name)
	<-term
	fmt.Fprintf(c, "%s down\n", name)
	return nil
}

// lobby accepts what the programs above dial.
type lobby struct {
	path  string
	conns chan *bufio.Reader
}

func newLobby(t *testing.T) *lobby {
	t.Helper()
	dir, err := os.MkdirTemp("", "lobby") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	b := &lobby{path: l.Addr().String(), conns: make(chan *bufio.Reader, 100)}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			b.conns <- bufio.NewReader(c)
		}
	}()
	return b
}

// line is the next one that a program says; "" is its end.
func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}
