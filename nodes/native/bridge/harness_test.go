package bridge

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// patience ends what would hang; nothing waits this long if all is well.
const patience = 5 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// onBoth runs a test over both back ends, the second with the machine's usual
// iptables.
func onBoth(t *testing.T, f func(t *testing.T, b Backend)) {
	needRoot(t)
	t.Run("nftables", func(t *testing.T) { f(t, Nftables) })
	t.Run("iptables", func(t *testing.T) {
		if _, err := lookTool("iptables"); err != nil {
			t.Skip("no iptables on this machine")
		}
		f(t, Iptables)
	})
}

// onEach runs a test over both back ends, the second with each iptables there is.
func onEach(t *testing.T, f func(t *testing.T, b Backend)) {
	needRoot(t)
	t.Run("nftables", func(t *testing.T) { f(t, Nftables) })
	for _, kind := range []string{"nft", "legacy"} {
		t.Run("iptables-"+kind, func(t *testing.T) {
			useIptables(t, kind)
			f(t, Iptables)
		})
	}
}

// useIptables makes one of the two commands that are called iptables the usual one.
func useIptables(t *testing.T, kind string) {
	t.Helper()
	multi, err := lookTool("xtables-" + kind + "-multi")
	if err != nil {
		t.Skipf("no iptables-%s on this machine", kind)
	}
	dir := t.TempDir()
	must(t, os.Symlink(multi, dir+"/iptables"))
	must(t, os.Symlink(multi, dir+"/iptables-restore"))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// iptablesDo runs iptables with each of the lines.
func iptablesDo(t testing.TB, lines ...string) {
	t.Helper()
	tool, err := lookTool("iptables")
	must(t, err)
	for _, l := range lines {
		must(t, run("", tool, append([]string{"-w", lockWait}, strings.Fields(l)...)...))
	}
}

// network is one that is taken away with the test.
func network(t testing.TB, cfg Config) *Network {
	t.Helper()
	n := reopen(t, cfg)
	t.Cleanup(func() { remove(t, n) })
	return n
}

func reopen(t testing.TB, cfg Config) *Network {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = quiet
	}
	n, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func remove(t testing.TB, n *Network) {
	t.Helper()
	n.mu.Lock()
	for id, h := range n.held {
		h.ns.close()
		h.ns = nil
		_ = id
	}
	n.mu.Unlock()
	if err := n.Sweep(t.Context(), nil); err != nil && t.Context().Err() == nil {
		t.Error(err)
	}
	for _, id := range n.dead(nil) {
		if err := n.Detach(background, id); err != nil {
			t.Error(err)
		}
	}
	if err := n.Close(true); err != nil {
		t.Error(err)
	}
}

func attach(t testing.TB, n *Network, id string, ports ...Port) Attachment {
	t.Helper()
	a, err := n.Attach(t.Context(), id, ports)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// in runs f on a thread that is in the network namespace of that path.
func in(t testing.TB, path string, f func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- visit(path, f) }()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func visit(path string, f func()) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open(path)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	runtime.UnlockOSThread()
	return nil
}

// serve answers every connection to the port in a namespace with name and the
// caller's address, for the rest of the test.
func serve(t testing.TB, path string, port int, name string) {
	t.Helper()
	var l net.Listener
	var c net.PacketConn
	var err error
	in(t, path, func() {
		if l, err = net.Listen("tcp4", ":"+strconv.Itoa(port)); err == nil {
			c, err = net.ListenPacket("udp4", ":"+strconv.Itoa(port))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 2)
	go func() { defer func() { done <- struct{}{} }(); serveTCP(l, name) }()
	go func() { defer func() { done <- struct{}{} }(); serveUDP(c, name) }()
	t.Cleanup(func() { l.Close(); c.Close(); <-done; <-done })
}

func serveTCP(l net.Listener, name string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintf(c, "%s %s", name, host(c.RemoteAddr()))
		c.Close()
	}
}

func serveUDP(c net.PacketConn, name string) {
	b := make([]byte, 64)
	for {
		_, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(fmt.Appendf(nil, "%s %s", name, host(from)), from)
	}
}

func host(a net.Addr) string {
	h, _, _ := net.SplitHostPort(a.String())
	return h
}

// call asks an address from within a namespace.
func call(t testing.TB, path, protocol, address string) (string, error) {
	t.Helper()
	var c net.Conn
	var err error
	in(t, path, func() { c, err = net.DialTimeout(protocol+"4", address, patience) })
	if err != nil {
		return "", err
	}
	defer c.Close()
	return talk(c)
}

func talk(c net.Conn) (string, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if c.RemoteAddr().Network() == "udp" {
		if _, err := c.Write([]byte("?")); err != nil {
			return "", err
		}
		b := make([]byte, 64)
		n, err := c.Read(b)
		return string(b[:n]), err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

// expect calls over both protocols and wants the answer that name gives to from.
func expect(t testing.TB, path, address, answer string) {
	t.Helper()
	for _, protocol := range []string{"tcp", "udp"} {
		if got, err := call(t, path, protocol, address); err != nil || got != answer {
			t.Errorf("%s %s answered %q, %v; want %q", protocol, address, got, err, answer)
		}
	}
}

const here = "/proc/thread-self/ns/net"

// both publishes one port over both protocols.
func both(host, container int) []Port {
	return []Port{{host, container, "tcp"}, {host, container, "udp"}}
}

// neighbour is a second machine, 192.0.2.2, on a wire of its own to this one,
// 192.0.2.1. This one is its way to everywhere.
func neighbour(t testing.TB) (path string) {
	t.Helper()
	ns, h, err := create()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	veth := netlink.NewVeth(netlink.NewLinkAttrs())
	veth.Name, veth.PeerName, veth.PeerNamespace = "uplink", "eth0", netlink.NsFd(int(ns.file.Fd()))
	must(t, netlink.LinkAdd(veth))
	t.Cleanup(func() {
		must(t, netlink.LinkDel(veth))
		ns.close()
	})
	must(t, netlink.AddrAdd(veth, &netlink.Addr{IPNet: ipNet(netip.MustParseAddr("192.0.2.1"), 24)}))
	must(t, netlink.LinkSetUp(veth))
	must(t, furnish(h, netip.MustParseAddr("192.0.2.2"), netip.MustParsePrefix("192.0.2.0/24")))
	awaitUp(h, inside)
	awaitUp(&netlink.Handle{}, veth.Name)
	return ns.path()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
