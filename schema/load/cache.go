package load

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// Cache remembers what packages came to, by the content of every file that had
// a say in it. In memory it holds the packages of the last tree and of those that
// were overtaken since, so its size is about that of one Spec. One Cache may serve
// many Loads, one after the other.
//
// A nil *Cache remembers nothing.
type Cache struct {
	mu sync.Mutex
	// entries are by Package.slot.
	entries  map[string]entry
	patience patience
	store    store
	// pruned is when the store was last rid of what is old.
	pruned time.Time
	// last is the scan of the last tree, made under limits, and spec what it came to.
	// settled tells that nothing of it would come to more in another try.
	last *scan
	// beside is the same of the operators' tree, where that is another's.
	beside  *scan
	limits  Limits
	spec    outcome
	grants  schema.Grants
	root    string
	settled bool
	// module is the path that the files of cue.mod with this digest say.
	module struct {
		digest [sha256.Size]byte
		name   string
	}
}

// OpenCache is a Cache that also keeps results in a folder of its own, for the
// next process of the same build.
func OpenCache(dir string) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("results of evaluation: %w", err)
	}
	return &Cache{store: store(dir)}, nil
}

// entry is a result and the content that it was made of.
type entry struct {
	content [sha256.Size]byte
	// read are the directories that the result depends on.
	read   []string
	result result
	// late is the evaluation that the result did not wait for; nil for one that
	// came in time.
	late *attempt
	// passing tells that it is not worth keeping on disk.
	passing bool
	// answer is the result as it came, until it is on disk; nil is not at hand.
	answer []byte
}

// caughtUp is what came too late for the former tree, if it is there now: the
// limit guards the others' time, and the result is as good.
func (e entry) caughtUp() entry {
	if e.late != nil && e.late.ended() {
		return e.late.entry
	}
	return e
}

// unsettled tells that another try might come to more.
func (e entry) unsettled() bool { return e.late != nil || e.content == (entry{}).content }

// former are the scans of the last tree that was made under the same limits, and of
// the operators' that was beside it.
func (c *Cache) former(limits Limits) (last, beside *scan) {
	if c == nil {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limits != limits {
		return nil, nil
	}
	return c.last, c.beside
}

// load is what a tree comes to, as Load says.
func (c *Cache) load(ctx context.Context, t *tree, by Evaluator, rev schema.Revision, grants schema.Grants) (schema.Spec, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settled && t.top == c.last && t.beside == c.beside && t.root == c.root && reflect.DeepEqual(c.grants, grants) {
		return c.spec.at(rev)
	}
	c.settled = false
	results := c.evaluateAll(ctx, t, by)
	if err := cmp.Or(ctx.Err(), t.failed()); err != nil {
		return schema.Spec{}, err
	}
	c.grants, c.root, c.beside = grants, t.root, t.beside
	c.spec.Spec, c.spec.err = assemble(t, results, rev, grants)
	c.settled = t.top == c.last && !slices.ContainsFunc(slices.Collect(maps.Values(c.entries)), entry.unsettled)
	return c.spec.at(rev)
}

// outcome is what Load returned.
type outcome struct {
	schema.Spec
	err error
}

// at is the same of another commit with the same tree.
func (o outcome) at(rev schema.Revision) (schema.Spec, error) {
	spec := o.Spec
	spec.Revision, spec.Teams = rev, slices.Clone(spec.Teams)
	for i := range spec.Teams {
		if len(spec.Teams[i].Errors) == 0 {
			spec.Teams[i].Commit = rev.Commit
		}
	}
	if errors.Is(o.err, ErrEmpty) {
		spec = schema.Spec{}
	}
	return spec, o.err
}

// evaluateAll is the results of a tree's packages, by its order of them.
func (c *Cache) evaluateAll(ctx context.Context, t *tree, by Evaluator) []result {
	one := Package{Root: t.root, Module: c.moduleOf(t), Operators: t.operators, Limits: t.limits}
	var mu sync.Mutex
	fresh := map[string]entry{}
	results := evaluateAll(t, func(dir string, policy bool) result {
		p := one
		p.Dir, p.Policy = dir, policy
		if t.isEnvironment(dir) {
			return p.failed(fmt.Sprintf("%s is an environment, and no folder of teams", dir), "say which one is meant: bayplan validate --env "+path.Base(dir)+", bayplan server --env "+path.Base(dir))
		}
		return under(p, func(p Package) entry {
			e := c.recall(ctx, t, p, by)
			mu.Lock()
			defer mu.Unlock()
			fresh[p.slot()] = e
			return e
		})
	})
	c.keep(t, fresh, ctx.Err() == nil && t.failed() == nil)
	return results
}

// moduleOf is the path of the tree's module.
func (c *Cache) moduleOf(t *tree) string {
	l := t.folders["cue.mod"]
	if l == nil {
		return ""
	}
	if l.digest == c.module.digest {
		return c.module.name
	}
	name := moduleName(t.folder, "")
	if t.failed() == nil {
		c.module.digest, c.module.name = l.digest, name
	}
	return name
}

// keep remembers a tree's packages in place of the former tree's, or where it
// was overtaken beside them, those that it came to.
func (c *Cache) keep(t *tree, fresh map[string]entry, whole bool) {
	if whole {
		c.entries, c.last, c.limits = fresh, t.top, t.limits
		if now := time.Now(); now.Sub(c.pruned) > time.Hour {
			c.pruned = now
			_ = c.store.prune(t.packages, now) // the next hour tries again
		}
		return
	}
	if c.entries == nil {
		c.entries = map[string]entry{}
	}
	for slot, e := range fresh {
		if e.content != (entry{}).content {
			c.entries[slot] = e
		}
	}
}

// recall is what the package came to before, or else comes to now.
func (c *Cache) recall(ctx context.Context, t *tree, p Package, by Evaluator) entry {
	old, known := c.entries[p.slot()]
	old = old.caughtUp()
	if known && old.content == content(t, p, old.read) {
		return old
	}
	e, ok := c.store.read(t, p)
	if ok {
		return e
	}
	if by == nil {
		e = c.patience.evaluate(ctx, t, p)
	} else {
		e = by.evaluate(ctx, t, p)
	}
	_ = c.store.write(p, e) // what is not kept is evaluated again by the next process
	e.answer = nil
	return e
}

// entry is a result with what it depends on. One that was made of a tree that is
// not all there is equal to none.
func (t *tree) entry(p Package, seen *trail, r result) entry {
	e := entry{read: seen.list(), result: r}
	if t.failed() == nil {
		e.content = content(t, p, e.read)
	}
	return e
}

// content is the hash of all that one evaluation can see: the limits, its own
// files, those of the packages that it imports or looked for in vain, and of
// the root if there is a policy. The order of names is fixed, and each length is
// written. How long it may take is none of it.
func content(t *tree, p Package, read []string) (sum [sha256.Size]byte) {
	dirs := map[string]bool{p.Dir: true}
	if p.Policy {
		dirs[p.operatorsRoot()] = true
	}
	for _, d := range read {
		dirs[d] = true
	}
	h := sha256.New()
	write := func(b []byte) {
		h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		h.Write(b)
	}
	limits := p.Limits
	limits.PackageTime = 0
	fmt.Fprint(h, limits)
	write([]byte(p.Module))
	write([]byte(p.Root))
	fmt.Fprint(h, p.Operators)
	fmt.Fprint(h, p.Policy, p.Bare)
	write(p.from[:])
	for _, d := range slices.Sorted(maps.Keys(dirs)) {
		write([]byte(d))
		if l := t.folders[d]; l != nil {
			write(l.digest[:])
		} else {
			write(nil)
		}
	}
	h.Sum(sum[:0])
	return sum
}
