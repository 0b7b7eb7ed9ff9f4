package bridge

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inside is the name of the container's end.
const inside = "eth0"

// wire makes links in the namespace of this process.
type wire struct {
	h *netlink.Handle
	// bridge is its name, and index its number; prefix begins the name of every
	// host end.
	bridge, prefix string
	index          atomic.Int32
	mtu            atomic.Int32
}

func newWire(tag string) (*wire, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	return &wire{h: h, bridge: "bp-" + tag, prefix: "bp" + tag}, nil
}

// ensure makes the bridge what it should be: there, up, with the gateway's address.
func (w *wire) ensure(key string, p netip.Prefix) error {
	w.mtu.Store(int32(w.uplinkMTU()))
	br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	br.Name, br.HardwareAddr, br.MTU = w.bridge, hardware(gateway(p)), int(w.mtu.Load())
	if err := w.h.LinkAdd(br); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("making bridge %s: %w", w.bridge, err)
	}
	link, err := w.h.LinkByName(w.bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", w.bridge, err)
	}
	if link.Type() != "bridge" {
		return fmt.Errorf("link %s is a %s, not a bridge; remove it with: ip link del %s", w.bridge, link.Type(), w.bridge)
	}
	w.index.Store(int32(link.Attrs().Index))
	if err := deafen(w.bridge); err != nil {
		return err
	}
	if err := w.h.LinkSetAlias(link, "bayplan "+key); err != nil { // not taken with LinkAdd
		return fmt.Errorf("naming %s: %w", w.bridge, err)
	}
	return w.address(link, p)
}

// gather makes host ends what they should be: deaf, and on the bridge, should it
// have been made anew.
func (w *wire) gather() error {
	links, err := w.links()
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	master := int(w.index.Load())
	var errs []error
	for _, l := range links {
		if !strings.HasPrefix(l.Attrs().Name, w.prefix) {
			continue
		}
		errs = append(errs, deafen(l.Attrs().Name))
		if l.Attrs().MasterIndex != master {
			errs = append(errs, absent(w.h.LinkSetMasterByIndex(l, master)), absent(w.h.LinkSetHairpin(l, true)))
		}
	}
	return errors.Join(errs...)
}

// address gives the bridge its one address and turns routing on.
func (w *wire) address(link netlink.Link, p netip.Prefix) error {
	want := &netlink.Addr{IPNet: ipNet(gateway(p), p.Bits())}
	have, err := w.addresses(link)
	if err != nil {
		return fmt.Errorf("addresses of %s: %w", w.bridge, err)
	}
	for _, a := range have {
		if !a.Equal(*want) {
			_ = w.h.AddrDel(link, &a)
		}
	}
	if err := w.h.AddrReplace(link, want); err != nil {
		return fmt.Errorf("address of %s: %w", w.bridge, err)
	}
	if err := w.h.LinkSetUp(link); err != nil {
		return fmt.Errorf("%s up: %w", w.bridge, err)
	}
	for _, key := range []string{"net/ipv4/ip_forward", "net/ipv4/conf/" + w.bridge + "/forwarding", "net/ipv4/conf/" + w.bridge + "/route_localnet"} {
		if err := sysctl(key, "1"); err != nil {
			return err
		}
	}
	return nil
}

// uplinkMTU is that of the link with the default route: a container that sends
// larger packets than the way out takes depends on ICMP that clouds drop.
func (w *wire) uplinkMTU() int {
	const usual = 1500
	routes, err := w.routes()
	if err != nil {
		return usual
	}
	for _, r := range routes {
		if r.Dst != nil && r.Dst.IP.IsUnspecified() || r.Dst == nil {
			if link, err := w.h.LinkByIndex(r.LinkIndex); err == nil && link.Attrs().MTU < usual && link.Attrs().MTU >= 576 {
				return link.Attrs().MTU
			}
		}
	}
	return usual
}

// used are the destinations of this machine's routes but the bridge's own.
func (w *wire) used() ([]netip.Prefix, error) {
	routes, err := w.routes()
	if err != nil {
		return nil, fmt.Errorf("routes of this machine: %w", err)
	}
	var all []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil || r.LinkIndex == int(w.index.Load()) {
			continue
		}
		bits, _ := r.Dst.Mask.Size()
		if a, ok := netip.AddrFromSlice(r.Dst.IP.To4()); ok {
			all = append(all, netip.PrefixFrom(a, bits))
		}
	}
	return all, nil
}

// name is one for a host end. It is never used twice: the kernel frees links of
// a namespace that went some time after, and holds their names until then.
func (w *wire) name() string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
	b := []byte(w.prefix)
	for len(b) < unix.IFNAMSIZ-1 {
		b = append(b, letters[rand.IntN(len(letters))])
	}
	return string(b)
}

// join puts a veth pair between the bridge and the namespace, and sets up the
// container's end with h, a handle in there, which is deaf from its first moment:
// see create.
func (w *wire) join(name string, ns *namespace, h *netlink.Handle, a netip.Addr, p netip.Prefix) error {
	veth := netlink.NewVeth(netlink.NewLinkAttrs())
	veth.Name, veth.MTU, veth.MasterIndex = name, int(w.mtu.Load()), int(w.index.Load())
	veth.PeerName, veth.PeerHardwareAddr = inside, hardware(a)
	veth.PeerNamespace = netlink.NsFd(int(ns.file.Fd()))
	if err := w.h.LinkAdd(veth); err != nil {
		return fmt.Errorf("veth %s: %w", name, err)
	}
	if err := w.h.LinkSetHairpin(veth, true); err != nil {
		return fmt.Errorf("veth %s: hairpin: %w", name, err)
	}
	if err := deafen(name); err != nil {
		return err
	}
	if err := w.h.LinkSetUp(veth); err != nil {
		return fmt.Errorf("veth %s up: %w", name, err)
	}
	if err := furnish(h, a, p); err != nil {
		return err
	}
	awaitUp(h, inside)
	awaitUp(w.h, veth.Name)
	awaitUp(w.h, w.bridge) // has been off until its first port came
	return nil
}

// awaitUp returns when a link passes packets. The kernel turns a link on
// some time after its carrier; what comes before is dropped, and a neighbour that
// was asked for in vain is asked again a second later. On kernels of today the
// question itself turns the link on; on others it takes some milliseconds, and
// after all these tries a lost packet is the lesser harm.
func awaitUp(h *netlink.Handle, name string) {
	const tries, pause = 50, time.Millisecond
	for range tries {
		link, err := h.LinkByName(name)
		if err != nil || link.Attrs().OperState == netlink.OperUp {
			return
		}
		time.Sleep(pause)
	}
}

// furnish sets up the container's side: lo, its address, the way out.
func furnish(h *netlink.Handle, a netip.Addr, p netip.Prefix) error {
	lo := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: 1, Name: "lo"}}
	if err := h.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo up: %w", err)
	}
	link, err := h.LinkByName(inside)
	if err != nil {
		return fmt.Errorf("%s: %w", inside, err)
	}
	if err := h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(a, p.Bits())}); err != nil {
		return fmt.Errorf("address %s: %w", a, err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("%s up: %w", inside, err)
	}
	out := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateway(p).AsSlice()}
	if err := h.RouteAdd(out); err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	return nil
}

// has tells whether a link is there.
func (w *wire) has(name string) bool {
	if name == "" {
		return false
	}
	_, err := w.h.LinkByName(name)
	return err == nil
}

// ends are the names of all host ends of this network.
func (w *wire) ends() ([]string, error) {
	links, err := w.links()
	if err != nil {
		return nil, fmt.Errorf("links: %w", err)
	}
	var all []string
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Name, w.prefix) {
			all = append(all, l.Attrs().Name)
		}
	}
	return all, nil
}

func ipNet(a netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, 32)}
}

// find looks the bridge up, if it is there.
func (w *wire) find() {
	if link, err := w.h.LinkByName(w.bridge); err == nil {
		w.index.Store(int32(link.Attrs().Index))
	}
}
