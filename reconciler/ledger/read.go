package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/bayplan/bayplan/reconciler"
)

// index is what a term knows to be stored.
type index struct {
	// keys are all facts but texts and journal, with the texts that each names.
	keys map[string][]string
	// uses is how many keys name each stored text.
	uses map[string]int
	// parts is in how many parts a key's value is stored; 0 is whole.
	parts map[string]int
	log   eventLog
}

func (ix *index) has(key string) bool { _, ok := ix.keys[key]; return ok }

// apply notes that a delta was written.
func (ix *index) apply(d *delta) {
	for h, n := range d.uses() {
		if ix.uses[h] += n; ix.uses[h] == 0 {
			delete(ix.uses, h)
		}
	}
	for key, refs := range d.keys {
		ix.keys[key] = refs
	}
	for _, o := range d.gone {
		delete(ix.keys, o.Key)
	}
	for key, n := range d.parts {
		if ix.parts[key] = n; n == 0 {
			delete(ix.parts, key)
		}
	}
}

// Facts are the recorded ones; zero in a new ledger. Workloads of one text are
// one *schema.Workload wherever orders and rollouts name them.
func (l *Ledger) Facts(ctx context.Context) (reconciler.Facts, error) {
	var facts reconciler.Facts
	err := l.do(ctx, func(ctx context.Context) error {
		s, err := l.load(ctx)
		if err != nil {
			return err
		}
		facts, _, err = s.decode()
		return err
	})
	if err != nil {
		return reconciler.Facts{}, fmt.Errorf("reading the facts: %w", err)
	}
	return facts, nil
}

// stored are the facts' keys and values, of one revision of the store.
type stored struct {
	values map[string][]byte
	// parts is in how many parts a value was found.
	parts map[string]int
	// journal are the keys of a change under way, in order; ready is whether
	// it counts already.
	journal []string
	ready   bool
}

// load reads all facts, and lets a journal that counts take effect in what it
// returns.
func (l *Ledger) load(ctx context.Context) (*stored, error) {
	got, err := l.kv.Get(ctx, l.key(factsKey), clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	s := &stored{values: make(map[string][]byte, len(got.Kvs)), parts: map[string]int{}}
	for _, kv := range got.Kvs {
		key := strings.TrimPrefix(string(kv.Key), l.cfg.Prefix)
		s.values[key] = kv.Value
		if strings.HasPrefix(key, journalKey) {
			s.journal = append(s.journal, key)
		}
	}
	s.ready = slices.Contains(s.journal, journalDoneKey)
	s.journal = slices.DeleteFunc(s.journal, func(k string) bool { return k == journalDoneKey })
	if err := s.overlay(); err != nil {
		return nil, err
	}
	return s, s.join()
}

// overlay applies the journal's batches that are left.
func (s *stored) overlay() error {
	if !s.ready {
		return nil
	}
	for _, key := range s.journal {
		ops, err := readBatch(key, s.values[key])
		if err != nil {
			return err
		}
		for _, o := range ops {
			if s.values[o.Key] = o.Value; o.Gone {
				delete(s.values, o.Key)
			}
		}
	}
	return nil
}
