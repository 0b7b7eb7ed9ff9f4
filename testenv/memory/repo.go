// Package memory has the loop's neighbours in memory: a repository that is
// pushed to, a ledger that can fail and lose its leader, and a link between an
// agent and a roster that can be cut. They work, and wait by channels and
// timers alone, so that they run in a synctest bubble.
package memory

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing/fstest"
	"time"

	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/schema"
)

// Repo is a branch with its history; it is a loop.Source.
type Repo struct {
	mu      sync.Mutex
	history []string // of the tip, oldest first
	commits map[string]schema.Revision
	trees   map[string]fs.FS
	doubts  map[string]string // commit → why nobody vouches for it
	tip     *source.Tip
	trouble *source.Trouble
	changed chan struct{}
	again   bool // the tip is delivered once more
}

// NewRepo is an empty one.
func NewRepo() *Repo {
	return &Repo{commits: map[string]schema.Revision{}, trees: map[string]fs.FS{}, doubts: map[string]string{}, changed: make(chan struct{})}
}

// Together is one push of what push commits: of the commits only the tip is
// delivered, and those before it as passed.
func (r *Repo) Together(push func(commit func(subject string, files ...string) string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	push(func(subject string, files ...string) string { return r.commit(subject, "", files) })
}

// Push makes a commit on top of the branch and returns its hash. Files are
// "path", "content" in turn.
func (r *Repo) Push(subject, body string, files ...string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commit(subject, body, files)
}

// Onto makes a commit on top of base, whatever the branch is now.
func (r *Repo) Onto(base, subject string, files ...string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(slices.Clone(r.history), base)
	return r.commit(subject, "", files)
}

// Rewrite drops the newest commit before it makes one, as a force-push does.
func (r *Repo) Rewrite(subject string, files ...string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = r.history[:max(0, len(r.history)-1)]
	return r.commit(subject, "", files)
}

func (r *Repo) commit(subject, body string, files []string) string {
	tree := fstest.MapFS{}
	for i := 0; i+1 < len(files); i += 2 {
		tree[files[i]] = &fstest.MapFile{Data: []byte(files[i+1]), Mode: 0o644}
	}
	sum := sha1.Sum(fmt.Append(nil, r.history, subject, body, files))
	hash := hex.EncodeToString(sum[:])
	r.history = append(slices.Clone(r.history), hash)
	now := time.Now()
	r.commits[hash] = schema.Revision{Commit: hash, Time: now, Author: "ann", Subject: subject, Body: body}
	r.trees[hash] = tree
	r.tip = &source.Tip{Files: tree, Detected: now, Revision: r.commits[hash]}
	r.trouble = nil
	r.tell()
	return hash
}

// Empty makes a commit that the source finds no file in.
func (r *Repo) Empty(subject string) string {
	hash := r.Push(subject, "")
	r.mu.Lock()
	defer r.mu.Unlock()
	about := r.tip.Revision
	r.tip = nil
	r.trouble = &source.Trouble{Code: source.CodeEmpty, Text: "commit " + about.Short() + " holds no file", About: about}
	r.tell()
	return hash
}

// Trouble makes the repository unreadable until the next push.
func (r *Repo) Trouble(t source.Trouble) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = &t
	r.tell()
}

// Mend ends the trouble; the branch is as it was.
func (r *Repo) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = nil
	r.tell()
}

func (r *Repo) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Watch tells the present state, then each one after it.
func (r *Repo) Watch(ctx context.Context, sink func(source.Update)) error {
	told := ""
	for {
		r.mu.Lock()
		u, changed := source.Update{Trouble: r.trouble}, r.changed
		if r.again {
			told, r.again = "", false
		}
		if r.tip != nil && r.trouble == nil && r.tip.Revision.Commit != told {
			tip := *r.tip
			u.Tip, u.Passed = &tip, r.passed(told)
			told = tip.Revision.Commit
		}
		r.mu.Unlock()
		sink(u)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// passed are the commits after the one that was told of and before the tip,
// oldest first; none before the first.
func (r *Repo) passed(told string) (all []schema.Revision) {
	at := slices.Index(r.history, told)
	for i := at + 1; at >= 0 && i < len(r.history)-1; i++ {
		all = append(all, r.commits[r.history[i]])
	}
	return all
}

// Descends is whether from is in to's history.
func (r *Repo) Descends(_ context.Context, from, to string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.history, from) && slices.Contains(r.history, to), nil
}

// At is a commit that was pushed; none while the repository cannot be read.
func (r *Repo) At(_ context.Context, commit string) (source.Tip, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	files, known := r.trees[commit]
	if !known || r.trouble != nil {
		return source.Tip{}, source.ErrUnknownCommit
	}
	return source.Tip{Files: files, Revision: r.commits[commit]}, nil
}

// Doubt has commits with this subject be nobody's who may sign, until why is "";
// a tip that is one is delivered once more.
func (r *Repo) Doubt(subject, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doubts[subject] = why
	r.again = true
	r.tell()
}

// Verify is the doubt about to.
func (r *Repo) Verify(_ context.Context, from, to string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from == to {
		return "", nil
	}
	return r.doubts[r.commits[to].Subject], nil
}
