package node

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/nodes/wire"
)

func TestRun_JoinWithoutAServerIsUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ca, err := wire.NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	line := wire.JoinLine(wire.JoinInfo{Token: wire.NewToken(), Server: gone, Pin: ca.Pin()})
	err = Run(t.Context(), Config{Name: "n1", Dir: t.TempDir(), Join: line})
	if exit.CodeOf(err) != exit.Unreachable || !strings.Contains(exit.Text(err), "is unreachable: connect: connection refused\n  next: start the server") {
		t.Errorf("code %d: %s", exit.CodeOf(err), exit.Text(err))
	}
}
