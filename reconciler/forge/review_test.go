package forge_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/forge"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// town is a repository, its forge and a cluster in memory.
type town struct {
	mu       sync.Mutex
	branch   string
	heads    map[int]string // of refs, of closed ones too
	open     []int
	broken   error            // of the forge
	unread   error            // of the repository
	comments map[int][]string // all that were written
	statuses []string         // "commit context state: text"
	asked    int              // how often the forge was asked for pull requests
	plans    []string         // "base..head"
	st       *status.Status
	newer    chan struct{}
	held     string

	pinning    bool // the text in force asks for approved plans
	pinned     []reconciler.PinnedPlan
	log        []string // of pins, as they come and go
	approvals  map[int][]forge.Approval
	updated    map[int]time.Time
	merged     map[int]bool
	unapproved error // of the forge, about approvals
	read       int   // how often approvals were asked for
}

func newTown() *town {
	return &town{branch: "b1", heads: map[int]string{}, comments: map[int][]string{}, approvals: map[int][]forge.Approval{}, updated: map[int]time.Time{},
		merged: map[int]bool{}, st: &status.Status{}, newer: make(chan struct{})}
}

func (w *town) List(context.Context) (map[int]string, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	heads := map[int]string{}
	for n, h := range w.heads {
		heads[n] = h
	}
	return heads, w.branch, w.unread
}

func (w *town) Bring(_ context.Context, number int) (head, fork forge.Text, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := func(commit string) forge.Text {
		return forge.Text{Revision: schema.Revision{Commit: commit}, Files: fstest.MapFS{"x": {Data: []byte(commit)}}}
	}
	return text(w.heads[number]), text("fork-of-" + w.heads[number]), nil
}

func (w *town) OpenPulls(_ context.Context, branch string) (all []forge.Request, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	for _, n := range w.open {
		all = append(all, forge.Request{Number: n, Head: w.heads[n], Author: "author", Updated: w.updated[n]})
	}
	return all, w.broken
}

func (w *town) SetStatus(_ context.Context, commit string, s forge.CommitStatus) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.statuses = append(w.statuses, fmt.Sprintf("%s %s %s: %s", commit, s.Context, s.State, s.Text))
	}
	return w.broken
}

func (w *town) Comment(_ context.Context, number int, marker, text string) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !strings.HasPrefix(text, marker) || marker != forge.Marker("bay") {
		return time.Time{}, errors.New("a comment that is not found again")
	}
	w.comments[number] = append(w.comments[number], text)
	return time.Now(), nil
}

func (w *town) Approvals(_ context.Context, number int) ([]forge.Approval, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read++
	return w.approvals[number], errors.Join(w.broken, w.unapproved)
}

func (w *town) Merged(_ context.Context, number int) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.merged[number], w.broken
}

func (w *town) Pins() (bool, []reconciler.PinnedPlan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pinning, w.pinned
}

func (w *town) Pin(_ context.Context, p reconciler.PinnedPlan) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, "pin "+p.Key())
	w.pinned = append(slices.Clone(w.pinned), p)
	return nil
}

func (w *town) Unpin(_ context.Context, v reconciler.Voucher, why string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, "unpin "+v.Key()+": "+why)
	w.pinned = reconciler.UnpinPlan(reconciler.Facts{Plans: w.pinned}, v.Key()).Plans
	return nil
}

func (w *town) Preview(_ context.Context, base *schema.Spec, head schema.Spec) (*status.Preview, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	on := "live"
	if base != nil {
		on = base.Revision.Commit
	}
	w.plans = append(w.plans, on+".."+head.Revision.Commit)
	p := &status.Preview{Mode: status.OnBase, Commit: head.Revision.Commit, Against: on, State: "5ca1ab1e", Held: w.held, Pinned: w.pinning}
	if w.pinning { // each commit changes one field, to a value of its own
		p.Outline.Texts = []reconciler.TextChange{{Workload: "shop/web", Path: "image", Sum: head.Revision.Commit, Text: "image: " + head.Revision.Commit}}
	}
	if strings.HasPrefix(head.Revision.Commit, "huge") {
		p.Unplaced = []status.PreviewUnplaced{{Slot: "shop/web.0", Text: "none of 2 nodes can take it"}}
	}
	return p, nil
}

func (w *town) Status() (*status.Status, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.st, w.newer
}

// Load has nothing of a commit that is called bad.
func (w *town) load(_ context.Context, _ fs.FS, rev schema.Revision) (schema.Spec, error) {
	if strings.HasPrefix(rev.Commit, "bad") || strings.HasPrefix(rev.Commit, "fork-of-mends") {
		return schema.Spec{}, errors.New("shop/web.cue:3:5: want a number")
	}
	if strings.HasPrefix(rev.Commit, "fork-of-half") {
		return schema.Spec{Revision: rev, Teams: []schema.Team{{Name: "shop"}}}, errors.New("pay/till.cue:1:1: no")
	}
	return schema.Spec{Revision: rev, Teams: []schema.Team{{Name: "shop"}}}, nil
}

// change does something to the town, and what follows from it within the minute.
func (w *town) change(do func()) {
	w.mu.Lock()
	do()
	w.mu.Unlock()
	time.Sleep(time.Minute)
	synctest.Wait()
}

func (w *town) publish(s *status.Status) {
	w.change(func() {
		w.st = s
		close(w.newer)
		w.newer = make(chan struct{})
	})
}

// said are the statuses since it was last asked.
func (w *town) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.statuses
	w.statuses = nil
	return all
}

// count is a number that the town keeps.
func (w *town) count(of func() int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return of()
}

// inTown plays a test beside a Review.
func inTown(t *testing.T, play func(t *testing.T, w *town, r *forge.Review)) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown()
		r := forge.NewReview(forge.ReviewConfig{Name: "bay", Branch: "main", Pulls: w, Host: w, Cluster: w, Load: w.load})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		play(t, w, r)
	})
}

func wantSaid(t *testing.T, w *town, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, w.said()); d != "" {
		t.Errorf("statuses (-want +got):\n%s", d)
	}
}

// TestReview_PlansWhatIsNewAndTellsOfIt, once: a new pull request, one that is
// pushed to, all of them when the branch moves; those that are closed never.
func TestReview_PlansWhatIsNewAndTellsOfIt(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() { w.heads[7], w.heads[3], w.open = "h1", "closed", []int{7} })
		wantSaid(t, w, "h1 bayplan/bay/plan pending: planning", "h1 bayplan/bay/plan success: No changes.")
		w.change(func() {})
		wantSaid(t, w)
		w.change(func() { w.heads[7] = "huge2" })
		wantSaid(t, w, "huge2 bayplan/bay/plan pending: planning",
			"huge2 bayplan/bay/plan failure: 0 to create, 0 to update, 0 to remove; 1 slot without a place.")
		w.change(func() { w.heads[7], w.held = "h3", "it would remove 2 of 2 workloads" })
		w.change(func() { w.branch = "b2" })
		wantSaid(t, w, "h3 bayplan/bay/plan pending: planning", "h3 bayplan/bay/plan success: would be Held: it would remove 2 of 2 workloads; No changes.")
		if want := []string{"fork-of-h1..h1", "fork-of-huge2..huge2", "fork-of-h3..h3", "fork-of-h3..h3"}; !slices.Equal(w.plans, want) {
			t.Errorf("planned %v, want %v", w.plans, want)
		}
		asked := w.count(func() int { return w.asked })
		w.change(func() {})
		if w.count(func() int { return w.asked }) != asked {
			t.Error("the forge was asked though no ref had moved")
		}
	})
}

// TestReview_WhatDoesNotValidateFails with its errors; the others go on.
func TestReview_WhatDoesNotValidateFails(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() { w.heads[1], w.heads[2], w.open = "bad", "h2", []int{1, 2} })
		wantSaid(t, w, "bad bayplan/bay/plan pending: planning", "bad bayplan/bay/plan failure: it does not validate: 1 error: shop/web.cue:3:5: want a number",
			"h2 bayplan/bay/plan pending: planning", "h2 bayplan/bay/plan success: No changes.")
		if all := w.comments[1]; len(all) != 1 || !strings.Contains(all[0], "shop/web.cue:3:5: want a number") {
			t.Errorf("%q", all)
		}
	})
}

// TestReview_ABaseThatDoesNotValidate keeps no plan back: what is in force is in its
// place, and people are told.
func TestReview_ABaseThatDoesNotValidate(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() { w.heads[1], w.heads[2], w.open = "mends1", "half2", []int{1, 2} })
		wantSaid(t, w, "mends1 bayplan/bay/plan pending: planning", "mends1 bayplan/bay/plan success: No changes.",
			"half2 bayplan/bay/plan pending: planning", "half2 bayplan/bay/plan success: No changes.")
		if want := []string{"live..mends1", "fork-of-half2..half2"}; !slices.Equal(w.plans, want) {
			t.Errorf("planned %v, want %v", w.plans, want)
		}
		for n, want := range map[int]string{1: "does not validate (shop/web.cue:3:5: want a number): it is compared with the cluster as it is", 2: "in part (pay/till.cue:1:1: no)"} {
			if text := w.comments[n][0]; !strings.Contains(text, want) {
				t.Errorf("number %d is told %s", n, text)
			}
		}
	})
}

// TestReview_TriesAgain what a forge or a repository would not have, and says
// nothing twice meanwhile.
func TestReview_TriesAgain(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() { w.heads[1], w.open, w.broken = "h1", []int{1}, &forge.Answered{Code: 502} })
		w.change(func() { w.broken, w.unread = nil, errors.New("no route to host") })
		wantSaid(t, w)
		w.change(func() { w.unread = nil })
		wantSaid(t, w, "h1 bayplan/bay/plan pending: planning", "h1 bayplan/bay/plan success: No changes.")
		w.change(func() { w.heads[1], w.broken = "h2", &forge.Answered{Code: 403, Wait: time.Hour} })
		asked := w.count(func() int { return w.asked })
		w.change(func() { w.broken = nil })
		if w.count(func() int { return w.asked }) != asked {
			t.Error("a forge that asked for an hour's peace was asked within it")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		wantSaid(t, w, "h2 bayplan/bay/plan pending: planning", "h2 bayplan/bay/plan success: No changes.")
	})
}

// TestReview_AHundredAtOnceAreBounded: no more than ten in one look, a second
// between two (I35).
func TestReview_AHundredAtOnceAreBounded(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.mu.Lock()
		for n := range 100 {
			w.heads[n+1], w.open = fmt.Sprintf("h%d", n), append(w.open, n+1)
		}
		w.mu.Unlock()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if n := w.count(func() int { return len(w.plans) }); n == 0 || n > 10 {
			t.Errorf("%d were planned in the first look", n)
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if n := w.count(func() int { return len(w.plans) }); n != 100 {
			t.Errorf("%d of 100 were planned", n)
		}
	})
}

// TestReview_LooksWhenAsked: a webhook spares the wait.
func TestReview_LooksWhenAsked(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, r *forge.Review) {
		synctest.Wait()
		w.mu.Lock()
		w.heads[1], w.open = "h1", []int{1}
		w.mu.Unlock()
		for range 5 {
			r.Look()
		}
		synctest.Wait()
		wantSaid(t, w, "h1 bayplan/bay/plan pending: planning", "h1 bayplan/bay/plan success: No changes.")
	})
}

// TestReview_TellsWhatBecameOfCommits, and of those before that had not ended.
func TestReview_TellsWhatBecameOfCommits(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		rev := func(commit string, o reconciler.Outcome, why string) status.Revision {
			return status.Revision{Commit: commit, Outcome: o, Reason: why}
		}
		w.publish(&status.Status{Revision: rev("c1", reconciler.Progressing, ""), History: []status.Revision{rev("c0", reconciler.Applied, "")}})
		w.publish(&status.Status{Revision: rev("c2", reconciler.Held, "it would remove all"), History: []status.Revision{rev("c1", reconciler.Superseded, "by c2")}})
		w.publish(&status.Status{Revision: rev("c2", reconciler.Held, "it would remove all")})
		w.publish(&status.Status{Revision: rev("c2", reconciler.Applied, "")})
		wantSaid(t, w, "c1 bayplan/bay/deploy pending: Progressing", "c2 bayplan/bay/deploy failure: Held: it would remove all",
			"c1 bayplan/bay/deploy success: Superseded: by c2", "c2 bayplan/bay/deploy success: Applied")
		w.change(func() { w.broken = errors.New("away") })
		w.publish(&status.Status{Revision: rev("c3", reconciler.RolledBack, "")})
		w.change(func() { w.broken = nil })
		wantSaid(t, w, "c3 bayplan/bay/deploy failure: RolledBack")
	})
}

// hostile has markup in all that others write.
func hostile(n int) *status.Preview {
	p := &status.Preview{Mode: status.OnBase, Commit: strings.Repeat("a", 40), Against: strings.Repeat("b", 40), State: "5ca1ab1e",
		Held:  "it would remove <b>1</b> of @all's workloads",
		Pools: []status.PreviewPool{{Before: schema.Quantity{CPU: 1000}, Peak: schema.Quantity{CPU: 3000, Memory: 1 << 30}, After: schema.Quantity{CPU: 2000}, Whole: &schema.Quantity{CPU: 8000, Memory: 8 << 30}}},
		Pulls: []status.PreviewPull{{What: "r.example/web@sha256:2", Nodes: []string{"n1", "n2"}, From: []string{"mirror.example", "r.example"}}}}
	for i := range n {
		p.Changes = append(p.Changes, status.PreviewChange{Workload: fmt.Sprintf("shop/web%d", i), Action: "update", Strategy: "rolling",
			Fields: []status.FieldChange{{Path: "env.TEXT", From: "one", To: "two\n```\n</details><!-- bayplan:bay:plan --> @all", At: "shop/web.cue:5"}, {Path: "args[0]", To: "````"}},
			Slots:  []status.PreviewSlot{{Slot: "shop/web.0", From: "n1", To: "n1", Effect: "restart"}, {Slot: "shop/web.1", From: "n1", To: "n2", Effect: "move"}}})
	}
	return p
}

// TestComment_Golden is what people read.
func TestComment_Golden(t *testing.T) {
	got := forge.Comment("bay", hostile(1))
	const file = "testdata/comment.md"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("run with -update if that is meant:\n%s", d)
	}
}

// TestComment_IsBounded and whole, however much there is: every fold is closed.
func TestComment_IsBounded(t *testing.T) {
	for _, n := range []int{0, 10, 100, 400, 5000} {
		text := forge.Comment("bay", hostile(n))
		if len(text) > forge.MaxComment {
			t.Errorf("%d changes: %d letters", n, len(text))
		}
		lines := strings.Split(text, "\n")
		count := func(what string) (k int) {
			for _, l := range lines {
				if strings.HasPrefix(l, what) {
					k++
				}
			}
			return k
		}
		if a, b := count("<details>"), count("</details>"); a != b || n > 0 && a == 0 {
			t.Errorf("%d changes: %d folds, %d of them closed", n, a, b)
		}
		if cut := strings.Contains(text, "more than fits"); cut != (n > 100) {
			t.Errorf("%d changes: told to be cut: %v", n, cut)
		}
	}
}
