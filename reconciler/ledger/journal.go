package ledger

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// batchOps and batchBytes bound one transaction: etcd takes 128 operations
	// and 1.5 MiB, and a batch must fit in as one base64 value, too.
	batchOps   = 100
	batchBytes = 640 << 10
)

// commit writes ops, all or none. What does not fit one transaction is written
// to the journal first and counts from the instant that the journal is marked
// ready: readers see it from then on, and whoever leads next finishes it.
func (t *Term) commit(ctx context.Context, ops []op) error {
	batches := split(ops)
	if len(batches) == 1 {
		return t.txn(ctx, t.etcdOps(batches[0])...)
	}
	for i, b := range batches {
		if err := t.journal(ctx, i, b); err != nil {
			return err
		}
	}
	if err := t.txn(ctx, clientv3.OpPut(t.l.key(journalDoneKey), "{}")); err != nil {
		return err
	}
	for i, b := range batches {
		if err := t.settle(ctx, batchKey(i), b); err != nil {
			return err
		}
	}
	return t.txn(ctx, clientv3.OpDelete(t.l.key(journalDoneKey)))
}

// finish makes a journal that counts the store's own state, and drops one that
// does not. s has it in effect already.
func (t *Term) finish(ctx context.Context, s *stored) error {
	if len(s.journal) == 0 && !s.ready {
		return nil
	}
	for _, key := range s.journal {
		var ops []op
		if s.ready {
			var err error
			if ops, err = readBatch(key, s.values[key]); err != nil {
				return err
			}
		}
		if err := t.settle(ctx, key, ops); err != nil {
			return err
		}
	}
	return t.txn(ctx, clientv3.OpDelete(t.l.key(journalDoneKey)))
}

// journal stores one batch, to be settled later.
func (t *Term) journal(ctx context.Context, i int, ops []op) error {
	value, err := pack(ops)
	if err != nil {
		return err
	}
	return t.txn(ctx, clientv3.OpPut(t.l.key(batchKey(i)), string(value)))
}

// settle applies a batch and takes it out of the journal.
func (t *Term) settle(ctx context.Context, key string, ops []op) error {
	return t.txn(ctx, append(t.etcdOps(ops), clientv3.OpDelete(t.l.key(key)))...)
}

// batchKey sorts in the order of the batches, and before the mark.
func batchKey(i int) string { return fmt.Sprintf("%s%06d", journalKey, i) }

func readBatch(key string, value []byte) ([]op, error) {
	var ops []op
	if err := unpack(key, value, &ops); err != nil {
		return nil, err
	}
	return ops, nil
}

func (t *Term) etcdOps(ops []op) []clientv3.Op {
	out := make([]clientv3.Op, 0, len(ops)+1)
	for _, o := range ops {
		if o.Gone {
			out = append(out, clientv3.OpDelete(t.l.key(o.Key)))
			continue
		}
		out = append(out, clientv3.OpPut(t.l.key(o.Key), string(o.Value)))
	}
	return out
}

// split cuts ops, in their order, into batches that one transaction takes.
func split(ops []op) [][]op {
	var batches [][]op
	size := 0
	begin := 0
	for i, o := range ops {
		n := len(o.Key) + len(o.Value)
		if i > begin && (i-begin == batchOps || size+n > batchBytes) {
			batches = append(batches, ops[begin:i])
			begin, size = i, 0
		}
		size += n
	}
	return append(batches, ops[begin:])
}
