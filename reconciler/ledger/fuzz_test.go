package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// Whatever is stored, reading it ends in facts or in an error.
func FuzzDecode(f *testing.F) {
	for _, o := range opsBetween(f, reconciler.Facts{}, clusterOf(2, 2)) {
		f.Add(o.Key, o.Value, false)
	}
	batch, err := pack(opsBetween(f, clusterOf(2, 2), clusterOf(3, 1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(batchKey(0), batch, true)
	f.Add(headKey, []byte(`{"format":1,"commits":["a"]}`), false)
	f.Add(headKey, []byte("parts:1"), false)
	f.Fuzz(func(t *testing.T, key string, value []byte, ready bool) {
		s := &stored{values: map[string][]byte{headKey: []byte(`{"format":1}`)}, ready: ready, parts: map[string]int{}}
		if s.values[key] = value; strings.HasPrefix(key, journalKey) {
			s.journal = []string{key}
		}
		if s.overlay() != nil || s.join() != nil {
			return
		}
		if facts, ix, err := s.decode(); err == nil {
			if _, err := deltaOf(ix, &reconciler.Facts{}, &facts); err != nil && !errors.Is(err, ErrUnsorted) {
				t.Error(err)
			}
		}
	})
}
