package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/bayplan/bayplan/nodes"
)

// Why a token does not open the door.
var (
	ErrTokenUnknown = nodes.ErrTokenUnknown
	ErrTokenUsed    = nodes.ErrTokenUsed
	ErrTokenExpired = nodes.ErrTokenExpired
	// ErrTokenExists is a second token of one hash.
	ErrTokenExists = errors.New("join token exists already")
	// ErrTooManyTokens is more than MaxTokens that still count.
	ErrTooManyTokens = errors.New("too many join tokens are open")
)

const (
	// MaxTokens bounds the tokens that are kept.
	MaxTokens = 1000
	// tombstone is how long an ended token is remembered, so that who uses it
	// is told why it does not work.
	tombstone = 7 * 24 * time.Hour

	tokensKey = "tokens/"
)

// Token is a one-time permission to join. The ledger knows its hash only.
type Token struct {
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// Actor is who asked for it.
	Actor string `json:"actor,omitempty"`
	// Used is when it was taken; zero before.
	Used time.Time `json:"used,omitzero"`
}

// forgotten is whether it ended so long ago that nobody need be told.
func (t *Token) forgotten(now time.Time) bool {
	return t.Expires.Add(tombstone).Before(now)
}

// PutToken stores a new token, and forgets those that ended long before its
// Created.
func (l *Ledger) PutToken(ctx context.Context, hash string, t Token) error {
	err := l.do(ctx, func(ctx context.Context) error {
		ops, err := l.sweepTokens(ctx, t.Created)
		if err != nil {
			return err
		}
		value, err := pack(t)
		if err != nil {
			return err
		}
		key := l.key(tokensKey + hash)
		ops = append(ops, clientv3.OpPut(key, string(value)))
		ok, err := l.swap(ctx, clientv3.Compare(clientv3.CreateRevision(key), "=", 0), ops...)
		if err == nil && !ok {
			return ErrTokenExists
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("storing a join token: %w", err)
	}
	return nil
}

// sweepTokens are the removals of forgotten tokens, as many as one transaction
// takes.
func (l *Ledger) sweepTokens(ctx context.Context, now time.Time) ([]clientv3.Op, error) {
	got, err := l.kv.Get(ctx, l.key(tokensKey), clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	var ops []clientv3.Op
	for _, kv := range got.Kvs {
		var t Token
		if err := unpack(string(kv.Key), kv.Value, &t); err != nil {
			return nil, err
		}
		if t.forgotten(now) && len(ops) < batchOps {
			ops = append(ops, clientv3.OpDelete(string(kv.Key)))
		}
	}
	if len(got.Kvs)-len(ops) >= MaxTokens {
		return nil, fmt.Errorf("%w: %d; wait until some expire", ErrTooManyTokens, len(got.Kvs))
	}
	return ops, nil
}

// TakeToken uses up a token: of several that try at once, one gets it.
func (l *Ledger) TakeToken(ctx context.Context, hash string, now time.Time) error {
	err := l.do(ctx, func(ctx context.Context) error {
		for {
			taken, err := l.takeToken(ctx, l.key(tokensKey+hash), now)
			if err != nil || taken {
				return err
			}
		}
	})
	if err != nil {
		return fmt.Errorf("taking a join token: %w", err)
	}
	return nil
}

// takeToken is one attempt; false says that the token changed meanwhile.
func (l *Ledger) takeToken(ctx context.Context, key string, now time.Time) (bool, error) {
	got, err := l.kv.Get(ctx, key)
	if err != nil {
		return false, err
	}
	if len(got.Kvs) == 0 {
		return false, ErrTokenUnknown
	}
	var t Token
	if err := unpack(key, got.Kvs[0].Value, &t); err != nil {
		return false, err
	}
	if err := t.open(now); err != nil {
		return false, err
	}
	t.Used = now
	value, err := pack(t)
	if err != nil {
		return false, err
	}
	return l.swap(ctx, clientv3.Compare(clientv3.ModRevision(key), "=", got.Kvs[0].ModRevision), clientv3.OpPut(key, string(value)))
}

// open is nil while the token can be taken.
func (t *Token) open(now time.Time) error {
	switch {
	case !t.Used.IsZero():
		return fmt.Errorf("%w at %s, each admits one node", ErrTokenUsed, t.Used.Format(time.RFC3339))
	case now.After(t.Expires):
		return fmt.Errorf("%w at %s", ErrTokenExpired, t.Expires.Format(time.RFC3339))
	}
	return nil
}

// swap applies ops if cond holds. A Ledger that has led writes only while it
// leads (I20); one that never has is a server that starts.
func (l *Ledger) swap(ctx context.Context, cond clientv3.Cmp, ops ...clientv3.Op) (bool, error) {
	if err := l.room(); err != nil {
		return false, err
	}
	t := l.term.Load()
	if t == nil {
		got, err := l.kv.Txn(ctx).If(cond).Then(ops...).Commit()
		return err == nil && got.Succeeded, err
	}
	got, err := l.kv.Txn(ctx).If(t.leads(), cond).Then(ops...).Else(clientv3.OpGet(t.key)).Commit()
	if err != nil || got.Succeeded {
		return err == nil, err
	}
	if len(got.Responses[0].GetResponseRange().Kvs) == 0 {
		t.lose()
		return false, ErrLostEpoch
	}
	return false, nil
}
