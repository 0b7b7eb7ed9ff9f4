package bridge

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// needIPv6 is for tests that say nothing on a kernel without it.
func needIPv6(t *testing.T) {
	t.Helper()
	needRoot(t)
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		t.Skip("no IPv6 in this kernel")
	}
}

func TestAttach_LinksAreDeafToRouters(t *testing.T) {
	needIPv6(t)
	n := network(t, Config{Dir: t.TempDir(), Key: "a"})
	web := attach(t, n, "web")
	allDeaf(t, n, web.Namespace)
	in(t, web.Namespace, func() {
		l, err := net.Listen("tcp6", "[::1]:8080")
		if err != nil {
			t.Errorf("lo has lost its IPv6: %v", err)
			return
		}
		l.Close()
	})
}

func TestSweep_MakesLinksDeafAgain(t *testing.T) {
	needIPv6(t)
	n := network(t, Config{Dir: t.TempDir(), Key: "a"})
	web := attach(t, n, "web")
	listenAgain(t, n.Bridge())
	listenAgain(t, linkOf(n, "web"))
	must(t, n.Sweep(t.Context(), nil))
	allDeaf(t, n, web.Namespace)
}

func TestOpen_MakesFormerLinksDeafAndForgetsWhatTheyHeard(t *testing.T) {
	needIPv6(t)
	dir := t.TempDir()
	n := reopen(t, Config{Dir: dir, Key: "a"})
	evil := attach(t, n, "evil")
	path := inhabit(t, evil.Namespace)
	listenAgain(t, n.Bridge())
	listenAgain(t, linkOf(n, "evil"))
	in(t, path, func() {
		listenAgain(t, "default")
		listenAgain(t, inside)
		must(t, sysctl("net/ipv4/conf/all/accept_redirects", "1"))
	})
	await(t, "the host hears routers", func() bool {
		advertise(t, path, 1)
		return contains(heard(t, here), prefixOf(1))
	})
	must(t, n.Close(false))
	n = network(t, Config{Dir: dir, Key: "a"})
	n.opening.Wait()
	allDeaf(t, n, path)
	if all := heard(t, here); len(all) > 0 {
		t.Errorf("the host still has %v", all)
	}
	attach(t, n, "evil")
}

// A container that listens is the proof that the frames pass and are well made.
func TestAttach_NobodyTakesRoutesFromAContainer(t *testing.T) {
	needIPv6(t)
	n := network(t, Config{Dir: t.TempDir(), Key: "a"})
	evil, victim, open := attach(t, n, "evil"), attach(t, n, "victim"), attach(t, n, "open")
	in(t, open.Namespace, func() { listenAgain(t, inside) })
	// The first has been judged by everybody when the second is.
	for round := byte(1); round <= 2; round++ {
		await(t, fmt.Sprintf("the listener heard %d", round), func() bool {
			advertise(t, evil.Namespace, round)
			return contains(heard(t, open.Namespace), prefixOf(round))
		})
	}
	for name, path := range map[string]string{"host": here, "neighbour": victim.Namespace, "sender": evil.Namespace} {
		if all := heard(t, path); len(all) > 0 {
			t.Errorf("%s has %v", name, all)
		}
	}
}

// allDeaf wants the bridge, every host end and what is in one container to be so.
func allDeaf(t *testing.T, n *Network, path string) {
	t.Helper()
	ends, err := n.wire.ends()
	must(t, err)
	if len(ends) == 0 {
		t.Error("no host end")
	}
	for _, link := range append(ends, n.Bridge()) {
		isDeaf(t, link)
	}
	in(t, path, func() {
		isDeaf(t, "default")
		isDeaf(t, inside)
		wantSysctl(t, "net/ipv4/conf/all/accept_redirects", "0")
	})
}

func isDeaf(t *testing.T, link string) {
	t.Helper()
	for key, want := range map[string]string{"ipv6/%s/accept_ra": "0", "ipv6/%s/accept_redirects": "0", "ipv6/%s/disable_ipv6": "1", "ipv4/%s/accept_redirects": "0", "ipv4/%s/send_redirects": "0"} {
		wantSysctl(t, "net/"+fmt.Sprintf(strings.Replace(key, "/", "/conf/", 1), link), want)
	}
}

func wantSysctl(t *testing.T, key, want string) {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/" + key)
	if got := strings.TrimSpace(string(b)); err != nil || got != want {
		t.Errorf("%s is %q, %v; want %s", key, got, err, want)
	}
}

// listenAgain gives a link the kernel's usual settings.
func listenAgain(t *testing.T, link string) {
	t.Helper()
	for key, value := range map[string]string{"ipv6/conf/%s/accept_ra": "1", "ipv6/conf/%s/accept_redirects": "1", "ipv6/conf/%s/disable_ipv6": "0", "ipv4/conf/%s/accept_redirects": "1", "ipv4/conf/%s/send_redirects": "1"} {
		must(t, sysctl("net/"+fmt.Sprintf(key, link), value))
	}
}

func linkOf(n *Network, id string) string {
	r, _ := n.lookUp(id)
	return r.Link
}

// inhabit puts a process into a namespace for the rest of the test, and returns
// a path by which the namespace outlives the network's own.
func inhabit(t *testing.T, path string) string {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	in(t, path, func() { must(t, cmd.Start()) })
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)
}

// await asks until it is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick, end := time.NewTicker(10*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not so: %s", what)
		}
	}
}

// heard are the IPv6 addresses and routes of a namespace that came from the
// advertisements of this test, and its default routes.
func heard(t *testing.T, path string) []netip.Prefix {
	t.Helper()
	var addresses []netlink.Addr
	var routes []netlink.Route
	in(t, path, func() {
		var err error
		addresses, err = whole(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_V6) })
		must(t, err)
		routes, err = whole(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_V6) })
		must(t, err)
	})
	nets := []*net.IPNet{}
	for _, a := range addresses {
		nets = append(nets, a.IPNet)
	}
	for _, r := range routes {
		nets = append(nets, r.Dst)
	}
	var out []netip.Prefix
	for _, p := range nets {
		if p == nil {
			out = append(out, netip.PrefixFrom(netip.IPv6Unspecified(), 0))
			continue
		}
		a, _ := netip.AddrFromSlice(p.IP)
		bits, _ := p.Mask.Size()
		if bits == 0 || documentation.Contains(a) {
			out = append(out, netip.PrefixFrom(a, bits))
		}
	}
	return out
}

var documentation = netip.MustParsePrefix("2001:db8::/32")

// prefixOf is what the advertisement of that number speaks of.
func prefixOf(number byte) netip.Prefix {
	a := documentation.Addr().As16()
	a[7] = number
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

func contains(all []netip.Prefix, p netip.Prefix) bool {
	var route, address, way bool
	for _, have := range all {
		route = route || have == p
		address = address || have.Bits() == 64 && have != p && p.Contains(have.Addr())
		way = way || have.Bits() == 0
	}
	return route && address && way
}

// advertise sends a Router Advertisement to all nodes from a container's link.
func advertise(t *testing.T, path string, number byte) {
	t.Helper()
	in(t, path, func() {
		link, err := net.InterfaceByName(inside)
		must(t, err)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
		frame := advertisement(link.HardwareAddr, prefixOf(number))
		must(t, unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Index}))
	})
}

// advertisement is the frame, after RFC 4861, 4.2 and 4.6.2: a default router for
// half an hour, and a prefix to make an address of.
func advertisement(from net.HardwareAddr, p netip.Prefix) []byte {
	source, all := netip.MustParseAddr("fe80::bad").As16(), netip.IPv6LinkLocalAllNodes().As16()
	const halfHour = "\x07\x08"
	body := []byte("\x86\x00\x00\x00\x40\x00" + halfHour + "\x00\x00\x00\x00\x00\x00\x00\x00")
	body = append(body, "\x03\x04\x40\xc0\x00\x00"+halfHour+"\x00\x00"+halfHour+"\x00\x00\x00\x00"...)
	body = append(body, p.Addr().AsSlice()...)
	binary.BigEndian.PutUint16(body[2:], checksum(bytes.Join([][]byte{source[:], all[:], {0, 0, 0, byte(len(body)), 0, 0, 0, 58}, body}, nil)))
	frame := append([]byte{0x33, 0x33, 0, 0, 0, 1}, from...)
	frame = append(frame, 0x86, 0xdd, 0x60, 0, 0, 0, 0, byte(len(body)), 58, 255)
	return append(append(append(frame, source[:]...), all[:]...), body...)
}

// checksum is that of the internet, of an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 0; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum>>16 > 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
