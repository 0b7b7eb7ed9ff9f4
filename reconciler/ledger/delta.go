package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// op is one key to write (or, with Gone, to delete).
type op struct {
	Key   string `json:"key"`
	Value []byte `json:"value,omitempty"`
	Gone  bool   `json:"gone,omitempty"`
}

// delta collects what must be written to get from one state of the facts to
// another.
type delta struct {
	ix *index
	// hashes remembers the texts that were hashed here; fresh has those that
	// are not stored yet.
	hashes map[*schema.Workload]string
	fresh  map[string][]byte
	// keys are the facts that change, with the texts that they name from now
	// on; nil for one that goes.
	keys map[string][]string
	// parts is in how many parts each fact that changes is stored from now on.
	parts map[string]int
	// facts come first, orders (assignments) after them, gone last.
	facts, orders, gone []op
}

// deltaOf compares two states of the facts, of which the first is stored.
func deltaOf(ix *index, before, after *reconciler.Facts) (*delta, error) {
	d := &delta{ix: ix, hashes: map[*schema.Workload]string{}, fresh: map[string][]byte{}, keys: map[string][]string{}, parts: map[string]int{}}
	for _, part := range []func(before, after *reconciler.Facts) error{d.spec, d.rollouts, d.jobs, d.ends, d.commits, d.once, d.nodes, d.assignments} {
		if err := part(before, after); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// section is a sorted list of which each element has a key of its own.
type section[T any] struct {
	prefix string
	name   func(*T) string
	// same may err on the side of false.
	same func(a, b *T) bool
	// doc is what is stored, and the hashes in it.
	doc func(*T) (any, []string, error)
}

// diff writes the elements that differ and drops those that are no more.
func diff[T any](d *delta, s section[T], before, after []T) error {
	if sameSlice(before, after) {
		return nil
	}
	return join(before, after, s.name, func(old, new *T) error {
		if new == nil {
			d.drop(s.prefix + s.name(old))
			return nil
		}
		key := s.prefix + s.name(new)
		known := old != nil && d.ix.has(key)
		if known && s.same(old, new) {
			return nil
		}
		return d.change(key, known, func() (any, []string, error) { return s.doc(old) }, func() (any, []string, error) { return s.doc(new) })
	})
}

// change writes a key unless its stored form would stay the same.
func (d *delta) change(key string, known bool, old, new func() (any, []string, error)) error {
	value, refs, err := packDoc(new)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if known {
		if was, _, err := packDoc(old); err == nil && bytes.Equal(was, value) {
			return nil
		}
	}
	if err := sized(key, value); err != nil {
		return err
	}
	d.put(op{Key: key, Value: value}, refs)
	return nil
}

func packDoc(doc func() (any, []string, error)) ([]byte, []string, error) {
	v, refs, err := doc()
	if err != nil {
		return nil, nil, err
	}
	b, err := pack(v)
	return b, refs, err
}

func (d *delta) put(o op, refs []string) {
	slices.Sort(refs)
	d.keys[o.Key] = slices.Compact(refs)
	if strings.HasPrefix(o.Key, assignmentKey) {
		d.orders = append(d.orders, o)
		return
	}
	d.facts = append(d.facts, o)
}

func (d *delta) drop(key string) {
	d.keys[key] = nil
	d.gone = append(d.gone, op{Key: key, Gone: true})
}

// text is the hash of a workload's full text, which gets stored with the rest.
func (d *delta) text(w *schema.Workload) (string, error) {
	if w == nil {
		return "", nil
	}
	if h, ok := d.hashes[w]; ok {
		return h, nil
	}
	raw, err := json.Marshal(w)
	if err != nil {
		return "", fmt.Errorf("workload %s: %w", w.Name, err)
	}
	h := textHash(raw)
	d.hashes[w] = h
	if d.ix.uses[h] == 0 {
		d.fresh[h] = raw
	}
	return h, nil
}

// uses are how many keys more (or fewer) name each text.
func (d *delta) uses() map[string]int {
	uses := map[string]int{}
	for key, refs := range d.keys {
		for _, h := range d.ix.keys[key] {
			uses[h]--
		}
		for _, h := range refs {
			uses[h]++
		}
	}
	return uses
}

// ops are all writes: texts before what names them, orders after the facts that
// they follow from, removals last.
func (d *delta) ops() ([]op, error) {
	var texts, unused []op
	uses := d.uses()
	for _, h := range sortedKeys(uses) {
		key, was := textKey+h, d.ix.uses[h]
		switch is := was + uses[h]; {
		case was == 0 && is > 0:
			value := squeeze(d.fresh[h])
			if err := sized(key, value); err != nil {
				return nil, err
			}
			texts = append(texts, op{Key: key, Value: value})
		case was > 0 && is == 0:
			unused = append(unused, op{Key: key, Gone: true})
		}
	}
	var all []op
	for _, o := range slices.Concat(texts, d.facts, d.orders, d.gone, unused) {
		all = append(all, d.spread(o)...)
	}
	return all, nil
}

// join walks two lists, sorted by name, side by side.
func join[T any](before, after []T, name func(*T) string, each func(old, new *T) error) error {
	if i := unsorted(after, name); i > 0 {
		return fmt.Errorf("%w: %q after %q", ErrUnsorted, name(&after[i]), name(&after[i-1]))
	}
	for len(before) > 0 || len(after) > 0 {
		var old, new *T
		if len(after) == 0 || len(before) > 0 && name(&before[0]) <= name(&after[0]) {
			old = &before[0]
		}
		if len(before) == 0 || len(after) > 0 && name(&after[0]) <= name(&before[0]) {
			new = &after[0]
		}
		if err := each(old, new); err != nil {
			return err
		}
		if old != nil {
			before = before[1:]
		}
		if new != nil {
			after = after[1:]
		}
	}
	return nil
}

// unsorted is the first element that is not above the one before it, or 0.
func unsorted[T any](list []T, name func(*T) string) int {
	for i := 1; i < len(list); i++ {
		if name(&list[i]) <= name(&list[i-1]) {
			return i
		}
	}
	return 0
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
