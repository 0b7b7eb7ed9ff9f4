package bridge

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// freePort is a port that nobody has at this moment.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestHold_KeepsOthersOut(t *testing.T) {
	for _, protocol := range []string{"tcp", "udp"} {
		p := Port{Host: freePort(t), Container: 80, Protocol: protocol}
		held, err := hold(loopback, []Port{p})
		if err != nil {
			t.Fatal(err)
		}
		_, err = hold(loopback, []Port{p})
		var taken *PortTakenError
		if !errors.As(err, &taken) || taken.Port != p || !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: a second hold got %v", protocol, err)
		}
		if err := listen(protocol, p.Host); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: a process that listens got %v", protocol, err)
		}
		held.release()
		if err := listen(protocol, p.Host); err != nil {
			t.Errorf("%s: after release: %v", protocol, err)
		}
	}
}

func listen(protocol string, port int) error {
	if protocol == "udp" {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			c.Close()
		}
		return err
	}
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err == nil {
		l.Close()
	}
	return err
}

func TestHold_RefusesWhatAProcessListensOn(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = hold(netip.IPv4Unspecified(), []Port{{Host: l.Addr().(*net.TCPAddr).Port, Container: 80, Protocol: "tcp"}})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}

func TestHold_MindsNoConnectionsThatEnded(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server.Close() // the server's end goes to TIME_WAIT
	client.Read(make([]byte, 1))
	client.Close()
	l.Close()
	held, err := hold(loopback, []Port{{Host: port, Container: 80, Protocol: "tcp"}})
	if err != nil {
		t.Fatal(err)
	}
	held.release()
}

func TestHold_SaysThatTheAddressIsElsewhere(t *testing.T) {
	_, err := hold(netip.MustParseAddr("203.0.113.9"), []Port{{Host: 20080, Container: 80, Protocol: "tcp"}})
	if err == nil || err.Error() != "port 20080/tcp on 203.0.113.9: that is no address of this machine; see which are: ip -4 addr" {
		t.Error(err)
	}
}

func TestNormal_RefusesWhatIsNoPort(t *testing.T) {
	for _, ports := range [][]Port{
		{{Host: 0, Container: 80}}, {{Host: 80, Container: 65536}}, {{Host: 80, Container: 80, Protocol: "sctp"}},
		{{Host: 80, Container: 80}, {Host: 80, Container: 81, Protocol: "tcp"}},
	} {
		if out, err := normal(ports); err == nil {
			t.Errorf("%v gave %v", ports, out)
		}
	}
}
