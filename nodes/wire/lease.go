package wire

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

// mark is when a heartbeat was about to be sent.
type mark struct {
	seq uint64
	at  agent.Mark
}

// maxMarks is more heartbeats than go unanswered within a lease: an older server
// answers none.
const maxMarks = 32

// tenant is the node where it keeps leases and this client knows of them.
func (c *Client) tenant(n agent.Node) agent.Tenant {
	if t, keeps := n.(agent.Tenant); keeps && !c.cfg.plain {
		return t
	}
	return nil
}

// mark notes that the next message is a heartbeat, sent from now on.
func (u *uplink) mark() {
	if u.tenant == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.marks = append(u.marks, mark{u.seq + 1, u.tenant.Mark()})
	u.marks = u.marks[max(0, len(u.marks)-maxMarks):]
}

// heard renews the node's lease from when the heartbeat that is answered was sent.
func (u *uplink) heard(h *wirepb.Heard) {
	u.mu.Lock()
	k := slices.IndexFunc(u.marks, func(m mark) bool { return m.seq == h.Seq })
	var at agent.Mark
	if k >= 0 {
		at = u.marks[k].at
		u.marks = slices.Delete(u.marks, 0, k+1)
	}
	u.mu.Unlock()
	if k >= 0 {
		u.tenant.Renew(at, nodes.Version{Epoch: h.Epoch, Serial: h.Serial})
	}
}
