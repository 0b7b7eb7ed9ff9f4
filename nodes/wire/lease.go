package wire

import (
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
)

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
	u.end.Mark(uint64(u.seq)+1, time.Duration(u.tenant.Mark()))
}

// heard renews the node's lease from when the heartbeat that is answered was sent.
func (u *uplink) heard(h *wirepb.Heard) {
	u.mu.Lock()
	at, ok := u.end.Heard(h.Seq)
	u.mu.Unlock()
	if ok {
		u.tenant.Renew(agent.Mark(at), nodes.Version{Epoch: h.Epoch, Serial: h.Serial})
	}
}
