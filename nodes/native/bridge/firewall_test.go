package bridge

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// docker is the firewall as Docker leaves it, and noDocker its end.
var (
	docker   = []string{"-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-I FORWARD -j DOCKER-USER", "-P FORWARD DROP"}
	noDocker = []string{"-P FORWARD ACCEPT", "-D FORWARD -j DOCKER-USER", "-F DOCKER-USER", "-X DOCKER-USER"}
)

func TestNetwork_PassesDocker(t *testing.T) {
	onEach(t, func(t *testing.T, b Backend) { passesFirewall(t, b, docker, noDocker) })
}

func TestNetwork_PassesAFirewallThatDrops(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		passesFirewall(t, b, []string{"-P FORWARD DROP"}, []string{"-P FORWARD ACCEPT"})
	})
}

func TestNetwork_PassesAFirewallThatRejects(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		passesFirewall(t, b, []string{"-A FORWARD -j REJECT"}, []string{"-D FORWARD -j REJECT"})
	})
}

// passesFirewall wants a network to work behind one, and to leave it as it was.
func passesFirewall(t *testing.T, b Backend, up, down []string) {
	iptablesDo(t, up...)
	t.Cleanup(func() { iptablesDo(t, down...) })
	before := look(t)
	t.Run("passes", func(t *testing.T) {
		other := neighbour(t)
		passes(t, network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b}), other)
	})
	sameAs(t, before)
}

// passes wants packets to go in, out and across.
func passes(t *testing.T, n *Network, other string) {
	t.Helper()
	web, db := attach(t, n, "web", both(20080, 8080)...), attach(t, n, "db")
	serve(t, web.Namespace, 8080, "web")
	serve(t, other, 53, "far")
	expect(t, other, "192.0.2.1:20080", "web 192.0.2.2")
	expect(t, db.Namespace, web.Address.String()+":8080", "web "+db.Address.String())
	expect(t, web.Namespace, "192.0.2.1:20080", "web "+web.Gateway.String())
	expect(t, web.Namespace, "192.0.2.2:53", "far 192.0.2.1")
	must(t, n.Sweep(t.Context(), nil)) // puts nothing in twice
	must(t, n.Detach(t.Context(), "web"))
	must(t, n.Detach(t.Context(), "db"))
}

func TestSweep_PassesAFirewallThatCameLater(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		other := neighbour(t)
		n := network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b})
		iptablesDo(t, docker...)
		t.Cleanup(func() { iptablesDo(t, noDocker...) })
		must(t, n.Sweep(t.Context(), nil))
		passes(t, n, other)
		must(t, n.site.retract()) // before the chain goes
	})
}

func TestPublished_WithoutBridgeNetfilter(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		const key = "net/bridge/bridge-nf-call-iptables"
		if _, err := os.Stat("/proc/sys/" + key); err != nil {
			t.Skip("no br_netfilter in this kernel")
		}
		must(t, sysctl(key, "0"))
		t.Cleanup(func() { must(t, sysctl(key, "1")) })
		other := neighbour(t)
		passes(t, network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b}), other)
	})
}

func TestUnpublished_NotReachableFromBeyond(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		other := neighbour(t)
		n := network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b})
		web := attach(t, n, "web", both(20080, 8080)...)
		serve(t, web.Namespace, 8080, "web")
		serve(t, here, 9000, "host")
		expect(t, here, web.Address.String()+":8080", "web "+web.Gateway.String())
		silent(t, other, web.Address.String()+":8080")
		// A container that sends to the host's loopback by way of the bridge.
		must(t, visit(web.Namespace, func() {
			must(t, sysctl("net/ipv4/conf/eth0/route_localnet", "1"))
			must(t, run("", "ip", "rule", "add", "pref", "0", "to", "127.0.0.1", "lookup", "100"))
			must(t, run("", "ip", "rule", "del", "pref", "0", "lookup", "local"))
			must(t, run("", "ip", "rule", "add", "pref", "1", "lookup", "local"))
			must(t, run("", "ip", "route", "add", "127.0.0.1", "via", web.Gateway.String(), "dev", "eth0", "src", web.Address.String(), "table", "100"))
		}))
		expect(t, here, "127.0.0.1:9000", "host 127.0.0.1")
		silent(t, web.Namespace, "127.0.0.1:9000")
	})
}

// silent wants no answer at all to a connection.
func silent(t *testing.T, path, address string) {
	t.Helper()
	var err error
	in(t, path, func() {
		var c net.Conn
		if c, err = net.DialTimeout("tcp4", address, 200*time.Millisecond); err == nil {
			c.Close()
		}
	})
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("%s: %v, want silence", address, err)
	}
}

func TestDetach_ClientsAreNotLeftHanging(t *testing.T) {
	onBoth(t, func(t *testing.T, b Backend) {
		other := neighbour(t)
		n := network(t, Config{Dir: t.TempDir(), Key: "a", Backend: b})
		blue := attach(t, n, "blue", both(20080, 8080)...)
		serve(t, blue.Namespace, 8080, "blue")
		var udp, tcp net.Conn
		in(t, other, func() {
			var err error
			udp, err = net.Dial("udp4", "192.0.2.1:20080")
			must(t, err)
		})
		defer udp.Close()
		answers(t, udp, "blue 192.0.2.2")
		must(t, n.Detach(t.Context(), "blue"))
		if got, err := talk(udp); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("with nobody there: %q, %v", got, err)
		}
		green := attach(t, n, "green", append(both(20080, 8080), Port{20081, 8081, "tcp"})...)
		serve(t, green.Namespace, 8080, "green")
		mute(t, green.Namespace, 8081)
		answers(t, udp, "green 192.0.2.2")

		in(t, other, func() {
			var err error
			tcp, err = net.Dial("tcp4", "192.0.2.1:20081")
			must(t, err)
		})
		defer tcp.Close()
		must(t, n.Detach(t.Context(), "green"))
		_, err := tcp.Write([]byte("?"))
		must(t, err)
		if got, err := talk(tcp); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("on a connection to a container that went: %q, %v", got, err)
		}
	})
}

func answers(t *testing.T, c net.Conn, want string) {
	t.Helper()
	if got, err := talk(c); err != nil || got != want {
		t.Errorf("answered %q, %v; want %q", got, err, want)
	}
}

// mute accepts connections in the kernel and never speaks.
func mute(t *testing.T, path string, port int) net.Listener {
	t.Helper()
	var l net.Listener
	in(t, path, func() {
		var err error
		l, err = net.ListenTCP("tcp4", &net.TCPAddr{Port: port})
		must(t, err)
	})
	t.Cleanup(func() { l.Close() })
	return l
}
