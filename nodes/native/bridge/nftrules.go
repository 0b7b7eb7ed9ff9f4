package bridge

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// chain is a base chain with its rules.
type chain struct {
	chain *nftables.Chain
	rules [][]expr.Any
}

func (n *nft) chains() []chain {
	base := func(name string, kind nftables.ChainType, hook *nftables.ChainHook, at *nftables.ChainPriority) *nftables.Chain {
		return &nftables.Chain{Name: name, Table: n.table, Type: kind, Hooknum: hook, Priority: at}
	}
	return []chain{
		{base("prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest), n.destRules()},
		{base("output", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest), n.destRules()},
		{base("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource), n.sourceRules()},
		{base("guard", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw), n.guardRules()},
		{base("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter), n.forwardRules()},
	}
}

// destRules: a packet for this machine, or for the one address that ports are
// published on, goes where the map says.
func (n *nft) destRules() [][]expr.Any {
	var all [][]expr.Any
	for _, protocol := range []string{"tcp", "udp"} {
		number := byte(unix.IPPROTO_TCP)
		if protocol == "udp" {
			number = unix.IPPROTO_UDP
		}
		all = append(all, join(n.forUs(), []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			equal([]byte{number}),
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: protocol, SetID: n.maps[protocol].ID},
			// Register 1 is the address; the port lies 4 bytes on, in register 9.
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 9},
		}))
	}
	return all
}

func (n *nft) forUs() []expr.Any {
	if !n.site.publish.IsUnspecified() {
		return []expr.Any{daddr(), equal(n.site.publish.AsSlice())}
	}
	return []expr.Any{
		&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
		equal(binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)),
	}
}

// sourceRules: what leaves the range for elsewhere, what comes from the host's
// loopback, and what comes from the bridge and was sent back to it, bears this
// machine's address, for the answers to come by here.
func (n *nft) sourceRules() [][]expr.Any {
	masquerade := []expr.Any{&expr.Masq{}}
	return [][]expr.Any{
		join(n.fromRange(), n.not(expr.MetaKeyOIFNAME), masquerade),
		join(n.is(expr.MetaKeyOIFNAME), []expr.Any{saddr()}, within([]byte{127, 0, 0, 0}, 8), masquerade),
		join(n.is(expr.MetaKeyOIFNAME), n.fromRange(), translated(), masquerade),
	}
}

// guardRules: route_localnet is for our own answers, not for containers that
// send to the host's loopback.
func (n *nft) guardRules() [][]expr.Any {
	return [][]expr.Any{
		join(n.is(expr.MetaKeyIIFNAME), []expr.Any{daddr()}, within([]byte{127, 0, 0, 0}, 8), verdict(expr.VerdictDrop)),
	}
}

// forwardRules: from beyond the bridge come answers and what was published.
func (n *nft) forwardRules() [][]expr.Any {
	from := join(n.is(expr.MetaKeyOIFNAME), n.not(expr.MetaKeyIIFNAME))
	answers := []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		bits(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED), nonzero(),
	}
	return [][]expr.Any{
		join(from, answers, verdict(expr.VerdictAccept)),
		join(from, translated(), verdict(expr.VerdictAccept)),
		join(from, verdict(expr.VerdictDrop)),
	}
}

func (n *nft) is(key expr.MetaKey) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, equal(ifname(n.site.bridge))}
}

func (n *nft) not(key expr.MetaKey) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: ifname(n.site.bridge)}}
}

func (n *nft) fromRange() []expr.Any {
	p := n.site.subnet.Masked()
	return join([]expr.Any{saddr()}, within(p.Addr().AsSlice(), p.Bits()))
}

func join(parts ...[]expr.Any) []expr.Any {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func saddr() expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
}

func daddr() expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
}

func equal(b []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: b} }

func nonzero() expr.Any { return &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)} }

// within is a match of the address in register 1 against a prefix.
func within(base []byte, prefix int) []expr.Any {
	mask := ^uint32(0) << (32 - prefix)
	return []expr.Any{
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.BigEndian.PutUint32(mask), Xor: make([]byte, 4)},
		equal(base),
	}
}

// bits keeps some of the word in register 1.
func bits(mask uint32) expr.Any {
	return &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(mask), Xor: make([]byte, 4)}
}

// translated matches a connection whose destination was changed.
func translated() []expr.Any {
	const destNAT = 1 << 5 // IPS_DST_NAT
	return []expr.Any{&expr.Ct{Key: expr.CtKeySTATUS, Register: 1}, bits(destNAT), nonzero()}
}

func verdict(kind expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: kind}} }

// ifname is a link's name as registers hold it.
func ifname(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}
