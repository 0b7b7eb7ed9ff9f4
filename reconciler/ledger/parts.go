package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A fact that is too large for one value is stored in parts, so that one fat
// node, or a commit with very many errors, cannot keep everything from being
// recorded. Its own key then holds the mark and the number of parts; neither
// JSON nor a frame of zstd begins like that.
var partsMark = []byte("parts:")

// partOf is the key of a fact's part, beside all facts.
func partOf(key string, i int) string {
	return fmt.Sprintf("%s%s/%04d", partKey, strings.TrimPrefix(key, factsKey), i)
}

// spread puts a write's value into parts where it must be, and takes away the
// parts that its key had before and has no longer.
func (d *delta) spread(o op) []op {
	var parts [][]byte
	if len(o.Value) > maxValue {
		parts = slices.Collect(slices.Chunk(o.Value, maxValue))
		o.Value = strconv.AppendInt(slices.Clone(partsMark), int64(len(parts)), 10)
	}
	ops := make([]op, 0, len(parts)+1)
	for i, part := range parts {
		ops = append(ops, op{Key: partOf(o.Key, i), Value: part})
	}
	for i := len(parts); i < d.ix.parts[o.Key]; i++ {
		ops = append(ops, op{Key: partOf(o.Key, i), Gone: true})
	}
	d.parts[o.Key] = len(parts)
	return append(ops, o)
}

// join makes facts of their parts, and of the parts nothing.
func (s *stored) join() error {
	for key, value := range s.values {
		count, ok := bytes.CutPrefix(value, partsMark)
		if !ok || strings.HasPrefix(key, partKey) {
			continue
		}
		n, err := strconv.Atoi(string(count))
		if err != nil {
			return fmt.Errorf("%w: %s: %v", ErrCorrupt, key, err)
		}
		if s.values[key], err = s.whole(key, n); err != nil {
			return err
		}
		s.parts[key] = n
	}
	for key := range s.values {
		if strings.HasPrefix(key, partKey) {
			delete(s.values, key)
		}
	}
	return nil
}

func (s *stored) whole(key string, n int) ([]byte, error) {
	var all []byte
	for i := range n {
		part, ok := s.values[partOf(key, i)]
		if !ok {
			return nil, fmt.Errorf("%w: part %d of %s is missing", ErrCorrupt, i, key)
		}
		all = append(all, part...)
	}
	return all, nil
}
