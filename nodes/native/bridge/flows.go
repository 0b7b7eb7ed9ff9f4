package bridge

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// flows deletes entries of connection tracking. The kernel can only list them
// all (3 ms with none, for the size of its table), so calls share a listing.
type flows struct {
	h   *netlink.Handle
	log *slog.Logger
	all together[stale]
}

// stale says which entries are to go: those of a container that is gone, or
// those that led to this machine itself for a client that kept sending to a UDP
// port before it was published.
type stale struct {
	address netip.Addr
	udp     uint16
}

func newFlows(log *slog.Logger) *flows {
	f := &flows{log: log}
	f.all.run = f.forget
	var err error
	if f.h, err = netlink.NewHandle(unix.NETLINK_NETFILTER); err != nil {
		f.h = nil
		log.Warn("connections of removed containers cannot be forgotten", "err", err)
	}
	return f
}

func (f *flows) close() {
	if f.h != nil {
		f.h.Close()
	}
}

// ended forgets all connections of an address.
func (f *flows) ended(a netip.Addr) { _ = f.all.do(stale{address: a}) }

// published forgets what led to these ports before.
func (f *flows) published(ports []Port) {
	var udp []stale
	for _, p := range ports {
		if p.Protocol == "udp" {
			udp = append(udp, stale{udp: uint16(p.Host)})
		}
	}
	if len(udp) > 0 {
		_ = f.all.do(udp...)
	}
}

// forget deletes what is stale; trouble is told, and stops nobody.
func (f *flows) forget(list []stale) error {
	if f.h == nil || noneTracked() {
		return nil
	}
	m := matcher{}
	for _, s := range list {
		m[s] = true
	}
	_, err := whole(func() ([]stale, error) { // deletes what it lists
		_, err := f.h.ConntrackDeleteFilters(netlink.ConntrackTable, netlink.InetFamily(unix.AF_INET), m)
		return nil, err
	})
	if err != nil {
		f.log.Warn("forgetting connections of removed containers", "err", err)
	}
	return nil
}

// noneTracked spares the listing where it would be empty.
func noneTracked() bool {
	b, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
	return err == nil && bytes.Equal(bytes.TrimSpace(b), []byte("0"))
}

type matcher map[stale]bool

// MatchConntrackFlow is netlink's question whether an entry goes.
func (m matcher) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	for _, ip := range [][]byte{flow.Forward.SrcIP, flow.Forward.DstIP, flow.Reverse.SrcIP} {
		if a, ok := netip.AddrFromSlice(ip); ok && m[stale{address: a.Unmap()}] {
			return true
		}
	}
	direct := flow.Forward.DstIP.Equal(flow.Reverse.SrcIP)
	return direct && flow.Forward.Protocol == unix.IPPROTO_UDP && m[stale{udp: flow.Forward.DstPort}]
}
