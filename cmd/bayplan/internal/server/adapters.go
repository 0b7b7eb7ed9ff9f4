package server

import (
	"context"
	"net/http"
	"time"

	"github.com/bayplan/bayplan/nodes/roster"
	"github.com/bayplan/bayplan/nodes/wire"
	"github.com/bayplan/bayplan/reconciler/ledger"
	"github.com/bayplan/bayplan/reconciler/loop"
)

// tokens keeps join tokens in the ledger.
type tokens struct{ *ledger.Ledger }

func (t tokens) PutToken(ctx context.Context, hash string, expires time.Time) error {
	return t.Ledger.PutToken(ctx, hash, ledger.Token{Created: time.Now(), Expires: expires})
}

// joiner makes join lines.
type joiner struct {
	tokens tokens
	server string // "host:port" that nodes reach
	pin    string
}

// byServer is the actor of what nobody asked for but the server's own start.
const byServer = "server"

func (j joiner) JoinLine(ctx context.Context, life time.Duration, actor string) (string, time.Time, error) {
	if life <= 0 || life > JoinLife {
		life = JoinLife
	}
	token, now := wire.NewToken(), time.Now()
	expires := now.Add(life)
	if err := j.tokens.Ledger.PutToken(ctx, wire.TokenHash(token), ledger.Token{Created: now, Expires: expires, Actor: actor}); err != nil {
		return "", expires, err
	}
	return wire.JoinLine(wire.JoinInfo{Token: token, Server: j.server, Pin: j.pin}), expires, nil
}

// memory is the ledger as the loop wants it.
type memory struct{ *ledger.Ledger }

func (m memory) Campaign(ctx context.Context) (loop.Term, error) {
	t, err := m.Ledger.Campaign(ctx)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// members is the loop as the API wants it: who leaves the cluster leaves all of
// it.
type members struct {
	*loop.Loop
	fleet  *wire.Server
	roster *roster.Roster
}

// RemoveNode ends the node's session once the record keeps it out (I31), and
// then forgets what it said.
func (m members) RemoveNode(ctx context.Context, node string, force bool, actor string) error {
	if err := m.Loop.RemoveNode(ctx, node, force, actor); err != nil {
		return err
	}
	m.fleet.Disconnect(node, loop.RemovedError(node).Error())
	m.roster.Forget(node)
	return nil
}

// operator is the name of an operator who calls, "" for anyone else.
func operator(r *http.Request) string {
	who, err := wire.PeerOf(r.TLS)
	if err != nil || who.Role != wire.RoleOperator {
		return ""
	}
	return who.Name
}
