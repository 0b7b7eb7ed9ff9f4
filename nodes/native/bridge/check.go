package bridge

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// probe is a site that no machine has, for trials in a namespace of their own.
var (
	probe     = site{key: "probe", tag: "probe0", bridge: "bp-probe0", subnet: netip.MustParsePrefix("10.88.0.0/24"), publish: netip.IPv4Unspecified()}
	probeRule = rule{Port{Host: 80, Container: 80, Protocol: "tcp"}, netip.MustParseAddr("10.88.0.2")}
)

// Problem is something that keeps the bridge from working on this machine.
type Problem struct {
	// What is one cause in a line, Mend the next thing to do about it.
	What, Mend string
}

// Check finds what this machine lacks for a bridge network, most basic first;
// none is well. All is tried in a network namespace that is gone afterwards:
// the machine's own network stays as it is.
func Check() []Problem {
	if os.Geteuid() != 0 {
		return []Problem{{"the bridge network takes root, and this is user " + fmt.Sprint(os.Geteuid()), "start the agent as root"}}
	}
	var out []Problem
	if err := aside(func() error { out = checkLinks(); return nil }); err != nil {
		return []Problem{{fmt.Sprintf("no network namespace can be made: %v", err), "use a kernel with CONFIG_NET_NS; in a container, give it CAP_SYS_ADMIN and CAP_NET_ADMIN"}}
	}
	if nft := nftWorks(); nft != nil {
		if _, err := newIptables(probe); err != nil {
			out = append(out, Problem{fmt.Sprintf("addresses cannot be translated: %v; and by iptables: %v", nft, err),
				"modprobe -a nft_chain_nat nft_masq nft_fib_ipv4 nft_ct, or install the package iptables"})
		}
	}
	return append(append(out, checkForwarding()...), checkFirewalls()...)
}

// checkLinks tries one link of each kind.
func checkLinks() []Problem {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return []Problem{{fmt.Sprintf("no netlink: %v", err), "use a kernel with CONFIG_NET"}}
	}
	defer h.Close()
	br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	br.Name = probe.bridge
	veth := netlink.NewVeth(netlink.NewLinkAttrs())
	veth.Name, veth.PeerName = "probe", inside
	var out []Problem
	for _, link := range []netlink.Link{br, veth} {
		if err := h.LinkAdd(link); err != nil {
			out = append(out, Problem{fmt.Sprintf("the kernel makes no link of type %s: %v", link.Type(), err), "modprobe " + link.Type()})
		}
	}
	return out
}

// checkForwarding wants forwarding on, or the right to turn it on.
func checkForwarding() []Problem {
	const path = "/proc/sys/net/ipv4/ip_forward"
	if b, err := os.ReadFile(path); err == nil && len(b) > 0 && b[0] == '1' {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		return nil
	}
	return []Problem{{fmt.Sprintf("forwarding is off and cannot be turned on: %v", err), "sysctl -w net.ipv4.ip_forward=1 on the host"}}
}

// checkFirewalls finds those that drop what the bridge forwards and that it
// cannot ask by way of iptables.
func checkFirewalls() []Problem {
	chains, err := (&nftables.Conn{}).ListChains()
	if err != nil {
		return nil
	}
	reachable := foreignTools()
	var out []Problem
	for _, c := range chains {
		iptables := c.Table.Family == nftables.TableFamilyIPv4 && c.Table.Name == "filter" && c.Name == "FORWARD"
		if dropsForwarded(c) && !(iptables && len(reachable) > 0) {
			out = append(out, firewallProblem(c, iptables))
		}
	}
	return out
}

func dropsForwarded(c *nftables.Chain) bool {
	family := c.Table.Family == nftables.TableFamilyIPv4 || c.Table.Family == nftables.TableFamilyINet
	forward := c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookForward
	return family && forward && c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
}

func firewallProblem(c *nftables.Chain, iptables bool) Problem {
	family := "ip"
	if c.Table.Family == nftables.TableFamilyINet {
		family = "inet"
	}
	what := fmt.Sprintf("the firewall drops what the bridge forwards: table %s %s, chain %s, policy drop", family, c.Table.Name, c.Name)
	if iptables {
		return Problem{what, "install the package iptables, by which the bridge asks to be let through"}
	}
	accept := func(key string) string {
		return fmt.Sprintf("nft insert rule %s %s %s %s 'bp-*' accept", family, c.Table.Name, c.Name, key)
	}
	return Problem{what, accept("iifname") + "; " + accept("oifname")}
}
