package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// nft keeps the rules in one table of nftables:
//
//	table ip bayplan-<key> {
//	  map tcp { type inet_service : ipv4_addr . inet_service }
//	  map udp { … }
//	  chain prerouting  { nat, dstnat:  fib daddr type local dnat ip to tcp dport map @tcp … }
//	  chain output      { the same }
//	  chain postrouting { nat, srcnat:  masquerade (see sourceRules) }
//	  chain guard       { raw prerouting: iifname bp-<tag> ip daddr 127.0.0.0/8 drop }
//	  chain forward     { filter:       to the bridge from elsewhere, only published ports }
//	}
type nft struct {
	site site
	// conn stays open, since closing one waits until the kernel has freed all
	// that was deleted by it, 10 ms; nil is none yet, or none after an error.
	conn  *nftables.Conn
	table *nftables.Table
	maps  map[string]*nftables.Set
}

func newNft(s site) *nft {
	t := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "bayplan-" + s.key}
	n := &nft{site: s, table: t, maps: map[string]*nftables.Set{}}
	for i, protocol := range []string{"tcp", "udp"} {
		n.maps[protocol] = &nftables.Set{
			Table: t, ID: uint32(i + 1), Name: protocol, IsMap: true,
			KeyType:  nftables.TypeInetService,
			DataType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService),
		}
	}
	return n
}

// nftWorks tries all that the table needs, in a namespace that goes at once.
func nftWorks() error {
	return aside(func() error {
		n := newNft(probe)
		defer n.close()
		return n.replace([]rule{probeRule})
	})
}

// replace is one transaction: the table as it was goes as the new one comes.
func (n *nft) replace(all []rule) error {
	c, err := n.open()
	if err != nil {
		return err
	}
	c.AddTable(n.table)
	c.DelTable(n.table)
	c.AddTable(n.table)
	for _, protocol := range []string{"tcp", "udp"} {
		if err := c.AddSet(n.maps[protocol], elements(protocol, all)); err != nil {
			return fmt.Errorf("nft map %s: %w", protocol, err)
		}
	}
	for _, ch := range n.chains() {
		c.AddChain(ch.chain)
		for _, exprs := range ch.rules {
			c.AddRule(&nftables.Rule{Table: n.table, Chain: ch.chain, Exprs: exprs})
		}
	}
	return n.flush(c)
}

func (n *nft) publish(some, all []rule) error {
	c, err := n.open()
	if err != nil {
		return err
	}
	if err := n.edit(c.SetAddElements, some); err != nil {
		return err
	}
	if err := n.flush(c); err == nil || !vanished(err) {
		return err
	}
	return n.replace(all) // somebody flushed the ruleset
}

func (n *nft) withdraw(some, all []rule) error {
	c, err := n.open()
	if err != nil {
		return err
	}
	if err := n.edit(c.SetDeleteElements, some); err != nil {
		return err
	}
	if err := n.flush(c); err == nil || !vanished(err) {
		return err
	}
	return n.replace(all)
}

func (n *nft) remove() error {
	c, err := n.open()
	if err != nil {
		return err
	}
	c.AddTable(n.table)
	c.DelTable(n.table)
	return n.flush(c)
}

func (n *nft) open() (*nftables.Conn, error) {
	if n.conn != nil {
		return n.conn, nil
	}
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	n.conn = c
	return c, nil
}

func (n *nft) close() {
	if n.conn != nil {
		_ = n.conn.CloseLasting()
		n.conn = nil
	}
}

// flush sends what was gathered. After an error there may be more answers under
// way, so the connection is not used again.
func (n *nft) flush(c *nftables.Conn) error {
	if err := c.Flush(); err != nil {
		n.close()
		return fmt.Errorf("nft table %s: %w", n.table.Name, err)
	}
	return nil
}

// vanished tells that the kernel does not hold what it is thought to, or holds
// something else under the same key.
func vanished(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY)
}

// edit adds or deletes the elements of some, map by map.
func (n *nft) edit(do func(*nftables.Set, []nftables.SetElement) error, some []rule) error {
	for _, protocol := range []string{"tcp", "udp"} {
		if e := elements(protocol, some); len(e) > 0 {
			if err := do(n.maps[protocol], e); err != nil {
				return fmt.Errorf("nft map %s: %w", protocol, err)
			}
		}
	}
	return nil
}

func elements(protocol string, all []rule) []nftables.SetElement {
	var out []nftables.SetElement
	for _, r := range all {
		if r.port.Protocol == protocol {
			out = append(out, element(r))
		}
	}
	return out
}

// element maps a port to an address and a port: the fields of a concatenation
// begin at multiples of 4 bytes.
func element(r rule) nftables.SetElement {
	val := make([]byte, 8)
	a := r.address.As4()
	copy(val, a[:])
	binary.BigEndian.PutUint16(val[4:], uint16(r.port.Container))
	return nftables.SetElement{Key: binary.BigEndian.AppendUint16(nil, uint16(r.port.Host)), Val: val}
}
