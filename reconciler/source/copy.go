package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"github.com/bayplan/bayplan/reconciler/source/internal/pack"
)

const (
	// looseUpTo is how many objects are written one by one; more go into packs.
	// It is git's own number for a push.
	looseUpTo = 100
	// packBatch is how many objects one pack gets: they are in memory meanwhile.
	packBatch = 20_000
)

// copier copies a commit between two object stores. The order of writing keeps
// two things true after a crash at any point, so that a copy can stop at what
// is there already: a directory is written after all below it, a commit after
// its parents and its files.
type copier struct {
	from   *store
	to     *mirror
	limits pack.Limits
	// ends are commits whose parents are not there, of a shallow repository.
	ends  map[plumbing.Hash]bool
	seen  map[plumbing.Hash]bool
	queue []queued
}

// queued is an object to write.
type queued struct {
	hash plumbing.Hash
	kind plumbing.ObjectType
}

// copyCommit copies the commit, its history (commits only, their trees stay
// where they are) and its files below root. errDamaged is about from.
func copyCommit(ctx context.Context, from *store, to *mirror, commit plumbing.Hash, root string, limits pack.Limits) error {
	c := &copier{from: from, to: to, limits: limits, seen: map[plumbing.Hash]bool{}, ends: map[plumbing.Hash]bool{}}
	shallow, err := from.st.Shallow()
	if err != nil {
		return err
	}
	for _, h := range shallow {
		c.ends[h] = true
	}
	if err := c.planTree(ctx, commit, root); err != nil {
		return err
	}
	if err := c.planHistory(ctx, commit); err != nil {
		return err
	}
	if len(c.queue) <= looseUpTo {
		return c.writeLoose(ctx)
	}
	return c.writePacks(ctx)
}

// planTree queues the root folder's tree and the directories that lead to it.
// A commit without such a folder is copied as far as there is something.
func (c *copier) planTree(ctx context.Context, commit plumbing.Hash, root string) error {
	head, err := c.from.commit(commit)
	if err != nil {
		return err
	}
	way, err := c.from.folders(head.TreeHash, root)
	if errors.Is(err, errNoFolder) {
		c.add(head.TreeHash, plumbing.TreeObject)
		return nil
	}
	if err != nil {
		return err
	}
	last := len(way) - 1
	if err := c.tree(ctx, way[last], 0); err != nil {
		return err
	}
	for i := last - 1; i >= 0; i-- {
		c.add(way[i], plumbing.TreeObject)
	}
	return nil
}

// add queues an object that is not there yet.
func (c *copier) add(h plumbing.Hash, kind plumbing.ObjectType) {
	if !c.seen[h] && !c.to.has(h) {
		c.queue = append(c.queue, queued{h, kind})
	}
	c.seen[h] = true
}

// tree queues all below a directory, then the directory.
func (c *copier) tree(ctx context.Context, h plumbing.Hash, depth int) error {
	if c.seen[h] || c.to.has(h) || depth > maxDepth {
		return ctx.Err()
	}
	entries, err := c.from.tree(h)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.isDir() {
			c.add(e.hash, plumbing.BlobObject)
		} else if err := c.tree(ctx, e.hash, depth+1); err != nil {
			return err
		}
	}
	c.add(h, plumbing.TreeObject)
	return ctx.Err()
}

// planHistory queues the commits that are not there, parents first.
func (c *copier) planHistory(ctx context.Context, commit plumbing.Hash) error {
	type step struct {
		hash    plumbing.Hash
		parents bool // they are queued already
	}
	for stack := []step{{hash: commit}}; len(stack) > 0; {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if top.parents {
			c.queue = append(c.queue, queued{top.hash, plumbing.CommitObject})
			continue
		}
		if c.seen[top.hash] || c.to.has(top.hash) {
			continue
		}
		c.seen[top.hash] = true
		parents, err := c.parents(ctx, top.hash)
		if err != nil {
			return err
		}
		stack = append(stack, step{top.hash, true})
		for _, p := range parents {
			stack = append(stack, step{hash: p})
		}
	}
	return nil
}

func (c *copier) parents(ctx context.Context, h plumbing.Hash) ([]plumbing.Hash, error) {
	if c.ends[h] || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	read, err := c.from.commit(h)
	if err != nil {
		return nil, err
	}
	return read.ParentHashes, nil
}

// writeLoose writes the queue one by one.
func (c *copier) writeLoose(ctx context.Context) error {
	for _, q := range c.queue {
		data, err := c.from.read(q.hash, q.kind, c.limits.Object)
		if err != nil {
			return err
		}
		if err := c.to.put(q.kind, data); err != nil {
			return mirrorFault(c.to.dir, err)
		}
		c.to.loose++
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// writePacks writes the queue as packs, in the same order.
func (c *copier) writePacks(ctx context.Context) error {
	for len(c.queue) > 0 {
		batch := c.queue[:min(packBatch, len(c.queue))]
		c.queue = c.queue[len(batch):]
		if err := c.writePack(ctx, batch); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// writePack packs one batch and looks whether it holds what was asked for: the
// names in a pack come from the contents.
func (c *copier) writePack(ctx context.Context, batch []queued) error {
	hashes := make([]plumbing.Hash, len(batch))
	for i, q := range batch {
		hashes[i] = q.hash
		if q.kind != plumbing.BlobObject {
			continue
		}
		if n, err := c.from.size(q.hash); err != nil {
			return err
		} else if n > c.limits.Object {
			return fmt.Errorf("blob %s: %w", q.hash, &tooLargeError{n, c.limits.Object})
		}
	}
	if err := c.send(ctx, hashes); err != nil {
		return err
	}
	for _, q := range batch {
		if !c.to.has(q.hash) {
			return fmt.Errorf("%s %s: %w: the content has another hash", q.kind, q.hash, errDamaged)
		}
	}
	return nil
}

// send lets the two stores work at the same time.
func (c *copier) send(ctx context.Context, hashes []plumbing.Hash) error {
	r, w := io.Pipe()
	encoded := make(chan struct{})
	go func() {
		defer close(encoded)
		w.CloseWithError(c.encode(w, hashes)) // nil ends the pack
	}()
	err := c.to.addPack(ctx, r, c.limits)
	r.CloseWithError(err)
	<-encoded
	return err
}

func (c *copier) encode(w io.Writer, hashes []plumbing.Hash) (err error) {
	defer shield(&err)
	c.from.mu.Lock()
	defer c.from.mu.Unlock()
	_, err = packfile.NewEncoder(w, c.from.st, false).Encode(hashes, 0)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return damaged(err)
	}
	return err
}
