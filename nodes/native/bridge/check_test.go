package bridge

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
)

func TestCheck_ThisMachineIsFine(t *testing.T) {
	needRoot(t)
	before := look(t)
	if all := Check(); len(all) > 0 {
		t.Errorf("%+v", all)
	}
	sameAs(t, before)
}

func TestCheck_NamesAFirewallThatDrops(t *testing.T) {
	needRoot(t)
	c := &nftables.Conn{}
	drop := nftables.ChainPolicyDrop
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "wall"})
	c.AddChain(&nftables.Chain{Table: table, Name: "fwd", Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &drop})
	must(t, c.Flush())
	t.Cleanup(func() {
		c.DelTable(table)
		must(t, c.Flush())
	})
	want := []Problem{{
		"the firewall drops what the bridge forwards: table inet wall, chain fwd, policy drop",
		"nft insert rule inet wall fwd iifname 'bp-*' accept; nft insert rule inet wall fwd oifname 'bp-*' accept",
	}}
	if d := cmp.Diff(want, Check()); d != "" {
		t.Error(d)
	}
}

func TestDropper_ReadsAListing(t *testing.T) {
	const usual = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"
	for listed, want := range map[string]string{
		usual:                            "",
		usual + "-A INPUT -j DROP\n":     "",
		usual + "-N DOCKER-USER\n":       "", // nothing leads there
		usual + "-A FORWARD -j REJECT\n": "FORWARD",
		strings.Replace(usual, "FORWARD ACCEPT", "FORWARD DROP", 1):                     "FORWARD",
		usual + "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\n": "DOCKER-USER",
	} {
		chain, needed := dropper(listed)
		if needed != (want != "") || needed && chain != want {
			t.Errorf("%q gave %s, %v", listed, chain, needed)
		}
	}
}
