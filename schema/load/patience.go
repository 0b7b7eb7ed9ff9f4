package load

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// maxAbandoned is how many evaluations that took too long may still be running
// when another begins (those that are under way by then may make it more, by one
// for each processor). One would let a single folder keep its own correction
// out; each takes a processor for itself, until it ends or the process does.
const maxAbandoned = 4

// patience evaluates packages, each for a limited time. CUE cannot be
// interrupted: what takes longer is left to itself, and holds its processor and
// its memory until it ends. Whoever must have those back has to evaluate in a
// process that can be killed.
//
// What nobody waits for any more, since a newer tree has come, goes on too, for
// as long as it might have; then it counts as what took too long.
type patience struct {
	mu        sync.Mutex
	abandoned []*attempt

	once sync.Once
	// under holds one for each evaluation that may still come in time.
	under chan struct{}
}

// underWay is how many evaluations may be under way: as many again as a tree's
// own, so that those of an overtaken tree, which end soon, hold up no newer one.
func underWay() int { return 2 * runtime.GOMAXPROCS(0) }

// enter waits for a place; false once ctx has ended.
func (p *patience) enter(ctx context.Context) bool {
	p.once.Do(func() { p.under = make(chan struct{}, underWay()) })
	if ctx.Err() != nil {
		return false
	}
	select {
	case p.under <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *patience) leave() { <-p.under }

// attempt is one package's evaluation in a goroutine of its own. entry is there
// once done is closed.
type attempt struct {
	done  chan struct{}
	seen  *trail
	entry entry
}

// evaluate is the package's result, or an error that it took too long. ctx ends
// the waiting; what is returned then is of no use.
func (p *patience) evaluate(ctx context.Context, t *tree, one Package) entry {
	if p.exhausted() {
		return entry{result: heldUp(one)}
	}
	if !p.enter(ctx) {
		return entry{}
	}
	a := begin(t, one)
	limit := time.NewTimer(one.Limits.PackageTime)
	select {
	case <-a.done:
		limit.Stop()
		p.leave()
		return a.entry
	case <-ctx.Done():
		go p.outlast(a, limit)
		return entry{}
	case <-limit.C:
	}
	p.abandon(a)
	p.leave()
	e := t.entry(one, a.seen, tooLong(one))
	e.late = a
	return e
}

// outlast keeps an evaluation that nobody waits for in its place, until it ends
// or has taken too long.
func (p *patience) outlast(a *attempt, limit *time.Timer) {
	defer p.leave()
	defer limit.Stop()
	select {
	case <-a.done:
	case <-limit.C:
		p.abandon(a)
	}
}

func begin(t *tree, one Package) *attempt {
	a := &attempt{done: make(chan struct{}), seen: &trail{}}
	go func() {
		defer close(a.done)
		a.entry = t.entry(one, a.seen, evaluate(one, a.seen.through(t)))
	}()
	return a
}

func (p *patience) abandon(a *attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abandoned = append(p.abandoned, a)
}

// exhausted says that too many are still running.
func (p *patience) exhausted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abandoned = slices.DeleteFunc(p.abandoned, (*attempt).ended)
	return len(p.abandoned) >= maxAbandoned
}

func (a *attempt) ended() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// tooLong is the result of a package that took longer than it may.
func tooLong(p Package) result {
	return result{Team: true, Broken: true, Errors: []*Error{{Team: p.team(), File: p.Dir,
		Message: fmt.Sprintf("evaluating the folder took longer than %s", p.Limits.PackageTime),
		Next:    "look for a comprehension over much data, split the folder, and run: bayplan validate"}}}
}

// heldUp is the result of a package that was not evaluated at all.
func heldUp(p Package) result {
	return result{Team: true, Broken: true, Errors: []*Error{{Team: p.team(), File: p.Dir,
		Message: fmt.Sprintf("not evaluated, since %d folders that took too long are still being evaluated", maxAbandoned),
		Next:    "correct those first, and push again once they are through, or restart the server: what runs goes on running"}}}
}

// trail is the directories that an evaluation has asked for so far, there or not.
type trail struct {
	mu   sync.Mutex
	dirs []string
}

// through is the way to the tree's folders that leaves the trail.
func (t *trail) through(of *tree) folders {
	return func(dir string) Folder {
		t.mu.Lock()
		if !slices.Contains(t.dirs, dir) {
			t.dirs = append(t.dirs, dir)
		}
		t.mu.Unlock()
		return of.folder(dir)
	}
}

func (t *trail) list() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.dirs)
}
