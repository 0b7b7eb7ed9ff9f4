package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Evaluator has a package evaluated in another process, one that can be killed:
// there [Evaluate] is called with p and with what read says of folders, and what
// it returned is brought back. Read is asked by any goroutine, for as long as the
// Evaluator runs.
//
// The answer is believed nothing: it is checked like what a user wrote. An error
// that is [Exceeded] is the package's own affair and keeps its team from the
// commit. Any other means that packages cannot be evaluated here at all: then the
// tree says nothing.
type Evaluator func(ctx context.Context, p Package, read func(dir string) Folder) (answer []byte, err error)

// Evaluate evaluates a package in this process: what its answer holds is for the
// caller of an [Evaluator] alone. It does not panic, and may never end.
func Evaluate(p Package, read func(dir string) Folder) (answer []byte) {
	if len(p.Find) > 0 {
		answer, _ = json.Marshal(p.find(remembering(read))) // texts and numbers: always JSON
		return answer
	}
	r := evaluate(p, remembering(read))
	answer, err := json.Marshal(r)
	if err != nil {
		answer, _ = json.Marshal(p.failed(fmt.Sprintf("evaluating the package broke off: %v", err), nextValidate))
	}
	return answer
}

// remembering asks for each folder once.
func remembering(read func(dir string) Folder) folders {
	known := map[string]Folder{}
	return func(dir string) Folder {
		f, ok := known[dir]
		if !ok {
			f = read(dir)
			known[dir] = f
		}
		return f
	}
}

// Exceeded is the error of an [Evaluator] that a package went over a limit.
type Exceeded struct {
	// Limit is what there was too much of, as in "more than 10s of processor
	// time".
	Limit string
	// Passing tells that a quieter machine might have come to an end: the next
	// tree has it tried again.
	Passing bool
}

// Error is the limit.
func (e *Exceeded) Error() string { return "it took " + e.Limit }

// evaluate has a package evaluated elsewhere.
func (by Evaluator) evaluate(ctx context.Context, t *tree, p Package) entry {
	seen := &trail{}
	answer, err := by(ctx, p, seen.through(t))
	if ctx.Err() != nil {
		return entry{}
	}
	var over *Exceeded
	if errors.As(err, &over) {
		e := t.entry(p, seen, p.failed("evaluating the folder was stopped: "+over.Error(), nextBomb))
		if e.passing = true; over.Passing {
			e.content = entry{}.content
		}
		return e
	}
	if err != nil {
		t.fail(fmt.Errorf("evaluating %s: %w", p.Dir, err))
		return entry{}
	}
	r, err := p.receive(answer)
	if err != nil {
		r, answer = p.failed(fmt.Sprintf("evaluating the folder came to nothing that can be used: %v", err), nextValidate), nil
	}
	e := t.entry(p, seen, r)
	e.answer = answer
	return e
}

// nextBomb is what to do about a package that takes too much.
const nextBomb = "look for a comprehension, a list or a text that grows with itself, split the folder, and run: bayplan validate"

// fail notes that the tree says nothing.
func (t *tree) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// Warm reads the embedded schema, which the first evaluation of a process does
// otherwise.
func Warm() { rules() }
