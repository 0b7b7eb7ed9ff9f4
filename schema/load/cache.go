package load

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Cache remembers what packages came to, by the content of every file that had
// a say in it. It holds the packages of the last tree and of those that were
// overtaken since, so its size is about that of one Spec. One Cache may serve many Loads, one after the other.
//
// A nil *Cache remembers nothing.
type Cache struct {
	mu       sync.Mutex
	entries  map[string]entry
	patience patience
}

// entry is a result and the content that it was made of.
type entry struct {
	content [sha256.Size]byte
	result  result
	// late is the evaluation that the result did not wait for; nil for one that
	// came in time.
	late *attempt
}

// caughtUp is what came too late for the former tree, if it is there now: the
// limit guards the others' time, and the result is as good.
func (e entry) caughtUp() entry {
	if e.late != nil && e.late.ended() {
		return e.late.entry
	}
	return e
}

func (c *Cache) evaluateAll(ctx context.Context, t *tree) []result {
	module := t.moduleName()
	if c == nil {
		var p patience
		return evaluateAll(t, func(dir string, policy bool) result { return p.evaluate(ctx, t, module, dir, policy).result })
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var mu sync.Mutex
	fresh := map[string]entry{}
	results := evaluateAll(t, func(dir string, policy bool) result {
		e := c.recall(ctx, t, module, dir, policy)
		mu.Lock()
		defer mu.Unlock()
		fresh[dir] = e
		return e.result
	})
	c.keep(fresh, ctx.Err() == nil)
	return results
}

// keep remembers a tree's packages in place of the former tree's, or where it
// was overtaken beside them, those that it came to.
func (c *Cache) keep(fresh map[string]entry, whole bool) {
	if whole {
		c.entries = fresh
		return
	}
	if c.entries == nil {
		c.entries = map[string]entry{}
	}
	for dir, e := range fresh {
		if e.content != (entry{}).content {
			c.entries[dir] = e
		}
	}
}

func (c *Cache) recall(ctx context.Context, t *tree, module, dir string, policy bool) entry {
	old, known := c.entries[dir]
	old = old.caughtUp()
	if known && old.content == content(t, module, dir, policy, old.result.read) {
		return old
	}
	return c.patience.evaluate(ctx, t, module, dir, policy)
}

// content is the hash of all that one evaluation can see: the limits, its own
// files, those of the packages that it imports or looked for in vain, and of
// the root if there is a policy. The order of names is fixed, and each length is
// written.
func content(t *tree, module, dir string, policy bool, read []string) (sum [sha256.Size]byte) {
	dirs := map[string]bool{dir: true, ".": policy || dir == "."}
	for _, d := range read {
		dirs[d] = true
	}
	h := sha256.New()
	write := func(b []byte) {
		h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		h.Write(b)
	}
	fmt.Fprint(h, t.limits)
	write([]byte(module))
	for _, d := range slices.Sorted(maps.Keys(dirs)) {
		write([]byte(d))
		if !dirs[d] {
			continue
		}
		for _, f := range t.dirs[d] {
			write([]byte(f.name))
			write(f.data)
		}
		for _, e := range t.refused[d] {
			write([]byte(e.Error()))
		}
	}
	h.Sum(sum[:0])
	return sum
}
