package bridge

import (
	"errors"
	"fmt"
	"strings"
)

// iptables keeps the rules in chains of its own, for kernels without nftables'
// NAT. A chain is always written whole, by iptables-restore --noflush, which
// empties just the chains that it is given; the built-in chains get one jump each.
//
//	nat    BAYPLAN-<tag>      from PREROUTING and OUTPUT: a DNAT per port
//	       BAYPLAN-<tag>-OUT  from POSTROUTING: masquerading
//	mangle BAYPLAN-<tag>-IN   from PREROUTING: the guard of the host's loopback
//	       BAYPLAN-<tag>-FWD  from FORWARD: to the bridge only published ports
//
// mangle, not filter, since there the order of rules against those of others
// does not matter: nobody accepts in mangle.
type iptables struct {
	site site
	tool string
}

// newIptables finds the first command that can do all that is needed, which it
// tries in a namespace that goes at once.
func newIptables(s site) (*iptables, error) {
	err := errors.New("the command iptables is missing; install the package iptables")
	for _, name := range []string{"iptables", "iptables-legacy", "iptables-nft"} {
		tool, missing := lookTool(name)
		if missing != nil {
			continue
		}
		trial := &iptables{site: probe, tool: tool}
		if err = aside(func() error { return trial.replace([]rule{probeRule}) }); err == nil {
			return &iptables{site: s, tool: tool}, nil
		}
	}
	return nil, err
}

// lockWait is how long a command waits for others to be done, in seconds.
const lockWait = "10"

// jump leads from a built-in chain to one of ours.
type jump struct {
	table, from string
	match       []string
	to          string
}

func (i *iptables) jumps() []jump {
	c, forUs := i.chain(""), []string{"-m", "addrtype", "--dst-type", "LOCAL"}
	if !i.site.publish.IsUnspecified() {
		forUs = []string{"-d", i.site.publish.String() + "/32"}
	}
	br := i.site.bridge
	return []jump{
		{"nat", "PREROUTING", forUs, c},
		{"nat", "OUTPUT", forUs, c},
		{"nat", "POSTROUTING", nil, i.chain("-OUT")},
		{"mangle", "PREROUTING", []string{"-i", br}, i.chain("-IN")},
		{"mangle", "FORWARD", []string{"-o", br, "!", "-i", br}, i.chain("-FWD")},
	}
}

func (i *iptables) chain(suffix string) string { return "BAYPLAN-" + i.site.tag + suffix }

func (i *iptables) replace(all []rule) error {
	if err := i.restore(i.natText(all) + i.mangleText()); err != nil {
		return err
	}
	for _, j := range i.jumps() {
		if i.command(j.args("-C")...) == nil {
			continue
		}
		if err := i.command(j.args("-A")...); err != nil {
			return err
		}
	}
	return nil
}

func (j jump) args(do string) []string {
	return append(append([]string{"-t", j.table, do, j.from}, j.match...), "-j", j.to)
}

func (i *iptables) publish(_, all []rule) error {
	return i.restore(i.portsText(all))
}

func (i *iptables) withdraw(_, all []rule) error {
	return i.restore(i.portsText(all))
}

// remove drops the jumps and then the chains, each if it is there.
func (i *iptables) remove() error {
	for _, j := range i.jumps() {
		for i.command(j.args("-C")...) == nil {
			if err := i.command(j.args("-D")...); err != nil {
				return err
			}
		}
	}
	var errs []error
	for _, j := range i.jumps() {
		if i.command("-t", j.table, "-S", j.to) == nil {
			errs = append(errs, i.command("-t", j.table, "-F", j.to), i.command("-t", j.table, "-X", j.to))
		}
	}
	return errors.Join(errs...)
}

func (i *iptables) close() {}

// portsText is the chain of published ports.
func (i *iptables) portsText(all []rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*nat\n:%s - [0:0]\n", i.chain(""))
	for _, r := range all {
		fmt.Fprintf(&b, "-A %s -p %s --dport %d -j DNAT --to-destination %s:%d\n", i.chain(""), r.port.Protocol, r.port.Host, r.address, r.port.Container)
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

func (i *iptables) natText(all []rule) string {
	out, subnet, br := i.chain("-OUT"), i.site.subnet.Masked(), i.site.bridge
	return i.portsText(all) + fmt.Sprintf(`*nat
:%[1]s - [0:0]
-A %[1]s -s %[2]s ! -o %[3]s -j MASQUERADE
-A %[1]s -s 127.0.0.0/8 -o %[3]s -j MASQUERADE
-A %[1]s -s %[2]s -o %[3]s -m conntrack --ctstate DNAT -j MASQUERADE
COMMIT
`, out, subnet, br)
}

func (i *iptables) mangleText() string {
	return fmt.Sprintf(`*mangle
:%[1]s - [0:0]
-A %[1]s -d 127.0.0.0/8 -j DROP
:%[2]s - [0:0]
-A %[2]s -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j RETURN
-A %[2]s -j DROP
COMMIT
`, i.chain("-IN"), i.chain("-FWD"))
}

func (i *iptables) restore(text string) error {
	return run(text, i.tool+"-restore", "-w", lockWait, "--noflush")
}

func (i *iptables) command(args ...string) error {
	return run("", i.tool, append([]string{"-w", lockWait}, args...)...)
}
