package source

import (
	"container/heap"
	"context"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/bayplan/bayplan/schema"
)

const (
	// maxPassed bounds the commits that are told of beside a new one: those of a
	// merged year are no news one by one, and the record keeps some hundred.
	maxPassed = 100
	// maxLate is how many commits are read beyond those that clocks ask for; git
	// has 5.
	maxLate = 16
	// maxWalk bounds the commits that are read to find them: 30 ms or so.
	maxWalk = 2000
)

// passed are the commits that came with to: those of its history that are not
// in the history of from, without to itself, oldest first; of more than maxPassed
// the newest. With the first commit nothing came that anybody waits for.
func (m *mirror) passed(ctx context.Context, from, to plumbing.Hash) []schema.Revision {
	if from == to || to.IsZero() || !m.has(from) {
		return nil
	}
	w, found := m.walk(ctx, from, to, maxPassed, maxWalk)
	return w.told(found, to)
}

// walk finds the commits of to's history that are not in from's, newest first: all
// of them where the walk's news have come to 0, and else a few more than most. It
// reads no more than steps.
func (m *mirror) walk(ctx context.Context, from, to plumbing.Hash, most, steps int) (w *walk, found []*object.Commit) {
	w = &walk{m: m, had: map[plumbing.Hash]bool{}}
	w.add(from, true)
	w.add(to, false)
	late := maxLate
	for range steps {
		if w.news == 0 && !w.mayTell(found, &late) || len(found) > most || ctx.Err() != nil {
			break
		}
		if c := w.next(); !w.had[c.Hash] {
			found = append(found, c)
		}
	}
	return w, found
}

// mayTell is whether the walk down from's history may yet come to one of the found
// commits: as long as it is not below the oldest of them, and for a few commits
// more, whose clocks may have been wrong.
func (w *walk) mayTell(found []*object.Commit, late *int) bool {
	if len(w.queue) == 0 || len(found) == 0 {
		return false
	}
	oldest := found[0].Committer.When
	for _, c := range found {
		if !w.had[c.Hash] && c.Committer.When.Before(oldest) {
			oldest = c.Committer.When
		}
	}
	if !w.queue[0].Committer.When.Before(oldest) {
		return true
	}
	*late--
	return *late >= 0
}

// walk goes down two histories at once, newest commit first, as git does: it
// ends soon after they met, however long they are.
type walk struct {
	m *mirror
	// had is every commit that was met, and whether from's history has it. A
	// commit whose clock was wrong may turn out so late.
	had   map[plumbing.Hash]bool
	queue newestFirst
	news  int // how many in the queue are not had
	// lost is a commit that is not had and not here.
	lost plumbing.Hash
}

// add queues a commit; one that is not here ends its line.
func (w *walk) add(h plumbing.Hash, had bool) {
	before, met := w.had[h]
	if met && (before || !had) {
		return
	}
	c, err := w.m.commit(h)
	if err != nil {
		if !had {
			w.lost = h
		}
		return
	}
	if met && slices.ContainsFunc(w.queue, func(q *object.Commit) bool { return q.Hash == h }) {
		w.had[h] = true
		w.news--
		return
	}
	w.had[h] = had
	heap.Push(&w.queue, c)
	if !had {
		w.news++
	}
}

// next takes the newest commit out and its parents in.
func (w *walk) next() *object.Commit {
	c := heap.Pop(&w.queue).(*object.Commit)
	if !w.had[c.Hash] {
		w.news--
	}
	for _, p := range c.ParentHashes {
		w.add(p, w.had[c.Hash])
	}
	return c
}

// told is what of the found commits is news after all.
func (w *walk) told(found []*object.Commit, to plumbing.Hash) (all []schema.Revision) {
	for _, c := range slices.Backward(found) {
		if !w.had[c.Hash] && c.Hash != to {
			all = append(all, revisionOf(c))
		}
	}
	return all[max(0, len(all)-maxPassed):]
}

// newestFirst is a heap of commits by time, and by hash among equals.
type newestFirst []*object.Commit

func (q newestFirst) Len() int      { return len(q) }
func (q newestFirst) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q newestFirst) Less(i, j int) bool {
	if a, b := q[i].Committer.When, q[j].Committer.When; !a.Equal(b) {
		return a.After(b)
	}
	return q[i].Hash.String() < q[j].Hash.String()
}

// Push is for container/heap.
func (q *newestFirst) Push(c any) { *q = append(*q, c.(*object.Commit)) }

// Pop is for container/heap.
func (q *newestFirst) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}
