package bridge

import (
	"log/slog"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// flows deletes entries of connection tracking. The kernel can only list them
// all, which takes a while on a busy machine, so calls that come during one
// listing share the next.
type flows struct {
	h   *netlink.Handle
	log *slog.Logger

	turn sync.Mutex // held during a listing

	mu   sync.Mutex
	next *stale
}

// stale says which entries are to go.
type stale struct {
	// addresses are of containers that are gone.
	addresses map[netip.Addr]bool
	// ports are UDP ports that have just been published: a client that kept
	// sending before has an entry that leads to this machine itself.
	ports map[uint16]bool
	done  chan struct{}
}

func newFlows(log *slog.Logger) *flows {
	h, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	if err != nil {
		log.Warn("connections of removed containers cannot be forgotten", "err", err)
		return &flows{log: log}
	}
	return &flows{h: h, log: log}
}

func (f *flows) close() {
	if f.h != nil {
		f.h.Close()
	}
}

// ended forgets all connections of an address.
func (f *flows) ended(a netip.Addr) { f.forget(func(s *stale) { s.addresses[a] = true }) }

// published forgets what led to these ports before.
func (f *flows) published(ports []Port) {
	var udp []uint16
	for _, p := range ports {
		if p.Protocol == "udp" {
			udp = append(udp, uint16(p.Host))
		}
	}
	if len(udp) == 0 {
		return
	}
	f.forget(func(s *stale) {
		for _, p := range udp {
			s.ports[p] = true
		}
	})
}

// forget adds to the listing that begins next and returns when that is done.
func (f *flows) forget(add func(*stale)) {
	if f.h == nil {
		return
	}
	f.mu.Lock()
	s, first := f.next, f.next == nil
	if first {
		s = &stale{addresses: map[netip.Addr]bool{}, ports: map[uint16]bool{}, done: make(chan struct{})}
		f.next = s
	}
	add(s)
	f.mu.Unlock()
	if first {
		f.run(s)
	}
	<-s.done
}

func (f *flows) run(s *stale) {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.mu.Lock()
	f.next = nil
	f.mu.Unlock()
	defer close(s.done)
	if _, err := f.h.ConntrackDeleteFilters(netlink.ConntrackTable, netlink.InetFamily(unix.AF_INET), s); err != nil {
		f.log.Warn("forgetting connections of removed containers", "err", err)
	}
}

// MatchConntrackFlow is netlink's question whether an entry goes.
func (s *stale) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	for _, ip := range [][]byte{flow.Forward.SrcIP, flow.Forward.DstIP, flow.Reverse.SrcIP} {
		if a, ok := netip.AddrFromSlice(ip); ok && s.addresses[a.Unmap()] {
			return true
		}
	}
	direct := flow.Forward.DstIP.Equal(flow.Reverse.SrcIP)
	return direct && flow.Forward.Protocol == unix.IPPROTO_UDP && s.ports[flow.Forward.DstPort]
}
