package bridge

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// snapshot is all that this package could leave in the kernel.
type snapshot struct {
	Links, Addresses, Mounts, Nft, Iptables []string
}

func look(t testing.TB) snapshot {
	t.Helper()
	var s snapshot
	links, err := netlink.LinkList()
	must(t, err)
	for _, l := range links {
		s.Links = append(s.Links, l.Attrs().Name)
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	must(t, err)
	for _, a := range addresses {
		s.Addresses = append(s.Addresses, a.String())
	}
	s.Mounts, s.Nft, s.Iptables = mounts(t), nftRules(t), iptablesRules(t)
	for _, list := range [][]string{s.Links, s.Addresses, s.Mounts, s.Nft, s.Iptables} {
		slices.Sort(list)
	}
	return s
}

// mounts are those of namespaces in this test's folders; other programs of the
// machine come and go with theirs.
func mounts(t testing.TB) []string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	mine, _, _ := strings.Cut(t.Name(), "/")
	var out []string
	for l := range strings.Lines(string(b)) {
		if strings.Contains(l, " nsfs ") && strings.Contains(l, mine) {
			out = append(out, l)
		}
	}
	return out
}

// nftRules are the tables, chains, rules and elements but those of iptables-nft.
func nftRules(t testing.TB) []string {
	t.Helper()
	c := &nftables.Conn{}
	tables, err := c.ListTables()
	must(t, err)
	var out []string
	for _, table := range tables {
		if slices.Contains([]string{"filter", "nat", "mangle"}, table.Name) {
			continue
		}
		out = append(out, "table "+table.Name)
		sets, err := c.GetSets(table)
		must(t, err)
		for _, set := range sets {
			elements, err := c.GetSetElements(set)
			must(t, err)
			for _, e := range elements {
				out = append(out, fmt.Sprintf("%s %s %x %x", table.Name, set.Name, e.Key, e.Val))
			}
		}
	}
	chains, err := c.ListChains()
	must(t, err)
	for _, chain := range chains {
		if slices.Contains(out, "table "+chain.Table.Name) {
			rules, err := c.GetRules(chain.Table, chain)
			must(t, err)
			out = append(out, fmt.Sprintf("%s %s %d rules", chain.Table.Name, chain.Name, len(rules)))
		}
	}
	return out
}

func iptablesRules(t testing.TB) []string {
	t.Helper()
	tool, err := lookTool("iptables")
	if err != nil {
		return nil
	}
	var out []string
	for _, table := range []string{"filter", "nat", "mangle"} {
		text, err := output(tool, "-w", "-t", table, "-S")
		must(t, err)
		for l := range strings.Lines(text) {
			out = append(out, table+" "+strings.TrimSpace(l))
		}
	}
	return out
}

func sameAs(t testing.TB, before snapshot) {
	t.Helper()
	if d := cmp.Diff(before, look(t)); d != "" {
		t.Errorf("left over (-before +after):\n%s", d)
	}
}
