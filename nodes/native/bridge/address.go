package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
)

// pool is what ranges are picked from, and rangeBits how large one is: 253
// containers are more than a node of this runtime is meant for.
var pool = netip.MustParsePrefix("10.88.0.0/16")

const rangeBits = 24

// errNoRange says that every range of the pool is in use.
var errNoRange = fmt.Errorf("every /%d of %s overlaps a route of this machine; name a free range for the bridge", rangeBits, pool)

// pick chooses one of the pool's ranges that overlaps nothing in use, at random,
// so that two agents that start at once seldom pick the same.
func pick(used []netip.Prefix) (netip.Prefix, error) {
	var free []netip.Prefix
	for i := range uint32(1) << (rangeBits - pool.Bits()) {
		p := netip.PrefixFrom(plus(pool.Addr(), i<<(32-rangeBits)), rangeBits)
		if !overlapsAny(p, used) {
			free = append(free, p)
		}
	}
	if len(free) == 0 {
		return netip.Prefix{}, errNoRange
	}
	return free[rand.IntN(len(free))], nil
}

func overlapsAny(p netip.Prefix, used []netip.Prefix) bool {
	for _, u := range used {
		if u.Bits() > 0 && p.Overlaps(u) {
			return true
		}
	}
	return false
}

// usable rejects a range that cannot hold a gateway and a container.
func usable(p netip.Prefix) error {
	if !p.IsValid() || !p.Addr().Is4() || p.Bits() < 8 || p.Bits() > 30 {
		return fmt.Errorf("range %s: want an IPv4 prefix of /8 to /30", p)
	}
	return nil
}

// gateway is the first address of a range: the bridge's.
func gateway(p netip.Prefix) netip.Addr { return plus(p.Masked().Addr(), 1) }

// errFull says that no address is left.
var errFull = errors.New("every address of the range is in use")

// next is the first free address after last, round and round: one that was given
// up comes back only when all others have been used, so that a packet or an entry
// of connection tracking that is late finds nobody instead of somebody else.
func next(p netip.Prefix, last netip.Addr, used map[netip.Addr]bool) (netip.Addr, error) {
	base := p.Masked().Addr()
	size := uint32(1) << (32 - p.Bits())
	start := uint32(1)
	if p.Contains(last) {
		start = minus(last, base)
	}
	for i := range size {
		at := (start + 1 + i) % size
		if a := plus(base, at); at >= 2 && at < size-1 && !used[a] {
			return a, nil
		}
	}
	return netip.Addr{}, errFull
}

// hardware is the link address for an IP address: an IP address that is used
// again has the same one, so no neighbour's cache is ever wrong.
func hardware(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return net.HardwareAddr{0x02, 0x62, b[0], b[1], b[2], b[3]}
}

func plus(a netip.Addr, n uint32) netip.Addr {
	b := a.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(b)
}

func minus(a, b netip.Addr) uint32 {
	x, y := a.As4(), b.As4()
	return binary.BigEndian.Uint32(x[:]) - binary.BigEndian.Uint32(y[:])
}
