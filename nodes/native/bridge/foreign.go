package bridge

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/google/nftables"
)

// A firewall of somebody else that drops what is forwarded (Docker sets the
// policy of FORWARD to DROP, and br_netfilter shows it even the packets between
// two containers of one bridge) cannot be overruled by rules of our own: a drop
// anywhere is final. So, where iptables has a FORWARD that may drop, two rules
// that accept what comes from and goes to our bridge are put first in DOCKER-USER,
// the chain that Docker leaves to others, or else in FORWARD. Inwards nothing is
// thrown open by that: our own rules let only published ports in.

// permits are the rules by their matches.
func (s site) permits() [][]string {
	note := []string{"-m", "comment", "--comment", "bayplan-" + s.key, "-j", "ACCEPT"}
	return [][]string{append([]string{"-i", s.bridge}, note...), append([]string{"-o", s.bridge}, note...)}
}

// permit puts the rules where they are needed and missing.
func (s site) permit() error {
	for _, tool := range foreignTools() {
		listed, err := output(tool, "-w", lockWait, "-S")
		if err != nil {
			return err
		}
		chain, needed := dropper(listed)
		for _, rule := range s.permits() {
			if !needed || strings.Contains(listed, line(chain, rule)) {
				continue
			}
			if err := run("", tool, append([]string{"-w", lockWait, "-I", chain, "1"}, rule...)...); err != nil {
				return fmt.Errorf("letting the bridge through the firewall: %w", err)
			}
		}
	}
	return nil
}

// retract takes the rules away, however often and wherever they are.
func (s site) retract() error {
	for _, tool := range foreignTools() {
		listed, err := output(tool, "-w", lockWait, "-S")
		if err != nil {
			return err
		}
		for _, chain := range []string{"DOCKER-USER", "FORWARD"} {
			for _, rule := range s.permits() {
				for range strings.Count(listed, line(chain, rule)) {
					if err := run("", tool, append([]string{"-w", lockWait, "-D", chain}, rule...)...); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// line is a rule as iptables -S shows it.
func line(chain string, rule []string) string {
	return "-A " + chain + " " + strings.Join(rule, " ") + "\n"
}

// dropper reads a listing: the chain to put our rules in, and whether forwarded
// packets may be dropped at all.
func dropper(listed string) (chain string, needed bool) {
	chain = "FORWARD"
	if strings.Contains(listed, "-N DOCKER-USER\n") && strings.Contains(listed, "-A FORWARD -j DOCKER-USER\n") {
		return "DOCKER-USER", true
	}
	for l := range strings.Lines(listed) {
		ends := strings.Contains(l, "-j DROP") || strings.Contains(l, "-j REJECT")
		if strings.HasPrefix(l, "-P FORWARD DROP") || strings.HasPrefix(l, "-A FORWARD") && ends {
			return chain, true
		}
	}
	return chain, false
}

// foreignTools are the iptables commands whose filter table exists. Asking the
// kernel first leaves a machine without such tables as it is: the command itself
// would make them.
func foreignTools() []string {
	var out []string
	if nftHasFilter() {
		out = appendTool(out, true, "iptables-nft", "iptables")
	}
	names, _ := os.ReadFile("/proc/thread-self/net/ip_tables_names")
	if bytes.Contains(names, []byte("filter\n")) {
		out = appendTool(out, false, "iptables-legacy", "iptables")
	}
	return out
}

func nftHasFilter() bool {
	tables, err := (&nftables.Conn{}).ListTablesOfFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return false
	}
	for _, t := range tables {
		if t.Name == "filter" {
			return true
		}
	}
	return false
}

// appendTool adds the first command that writes to nftables, or that does not:
// an old iptables says nothing of its kind.
func appendTool(out []string, nft bool, names ...string) []string {
	for _, name := range names {
		tool, err := lookTool(name)
		if err != nil {
			continue
		}
		if said, err := output(tool, "-V"); err == nil && strings.Contains(said, "nf_tables") == nft {
			return append(out, tool)
		}
	}
	return out
}
