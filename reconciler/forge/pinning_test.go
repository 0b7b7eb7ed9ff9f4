package forge_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/forge"
)

// approve is a review of somebody's, now.
func (w *town) approve(number int, by, commit string) {
	w.approvals[number] = append(w.approvals[number], forge.Approval{By: by, At: time.Now(), Commit: commit})
	w.updated[number] = time.Now()
}

// pins are what became pinned, and no more, since it was last asked.
func wantPins(t *testing.T, w *town, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.log, want) {
		t.Errorf("pinned %q, want %q", w.log, want)
	}
	w.log = nil
}

// An approval is about the plan that stood in the comment when it was given.
func TestReview_PinsWhatIsApproved(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() { w.pinning, w.heads[7], w.open = true, "h1", []int{7} })
		wantSaid(t, w, "h1 bayplan/bay/plan pending: planning", "h1 bayplan/bay/plan success: No changes.")
		if text := w.comments[7][0]; !strings.Contains(text, "Plans are pinned here") {
			t.Errorf("the comment does not tell what an approval is about: %s", text)
		}
		w.change(func() { w.approve(7, "author", "h1"); w.approve(7, "ann", "h1") })
		wantPins(t, w, "pin 7 h1 ann")
		wantSaid(t, w, "h1 bayplan/bay/plan success: approved by ann: No changes.")
		w.change(func() {})
		wantPins(t, w)
		// What comes after it is not what was approved, and the former stays pinned.
		w.change(func() { w.heads[7] = "h2" })
		wantPins(t, w)
		wantSaid(t, w, "h2 bayplan/bay/plan pending: planning",
			"h2 bayplan/bay/plan success: no longer as approved (the plan of pull request 7 that ann approved says shop/web: image: h1, and now it is image: h2): No changes.")
		w.change(func() { w.approve(7, "bob", "h2") })
		wantPins(t, w, "pin 7 h2 bob")
		// Taken back, closed.
		w.change(func() { w.approvals[7] = w.approvals[7][2:]; w.updated[7] = time.Now() })
		wantPins(t, w, "unpin 7 h1 ann: the approval was taken back")
		w.change(func() { w.open = nil; w.branch = "b2" })
		wantPins(t, w, "unpin 7 h2 bob: the pull request was closed")
	})
}

// An approval that was given before the plan was there is none of it, nor one of
// another commit, nor while nobody asks for them.
func TestReview_PinsNoOtherPlan(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() { w.pinning, w.heads[7], w.open = true, "h1", []int{7}; w.approve(7, "early", "") })
		w.change(func() { w.approve(7, "ann", "h0") })
		wantPins(t, w)
		w.change(func() { w.pinning = false; w.approve(7, "bob", "h1") })
		if n := w.count(func() int { return w.read }); n == 0 {
			t.Error("approvals were never looked at")
		}
		wantPins(t, w)
		// What was approved while nobody asked counts once somebody does: the comment
		// is the same.
		w.change(func() { w.pinning = true })
		wantPins(t, w, "pin 7 h1 bob")
	})
}

// Merged at once after it was approved, the pull request is no longer open when the
// server looks.
func TestReview_PinsWhatIsMergedBeforeItLooks(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() { w.pinning, w.heads[7], w.open = true, "h1", []int{7} })
		w.change(func() { w.approve(7, "ann", "h1"); w.open, w.branch, w.merged[7] = nil, "b2", true })
		wantPins(t, w, "pin 7 h1 ann")
		w.change(func() { w.pinned = nil }) // used up
		wantPins(t, w)
	})
}

// What is left of a server before: plans whose pull request was closed are taken
// back, those of merged ones wait for a day.
func TestReview_TakesBackWhatIsOutdated(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() {
			w.pinning, w.merged[9] = true, true
			for _, n := range []int{0, 8, 9} {
				w.pinned = append(w.pinned, reconciler.PinnedPlan{Voucher: reconciler.Voucher{Pull: n, Commit: "h", Actor: "ann"}})
			}
		})
		wantPins(t, w, "unpin 8 h ann: the pull request was closed")
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		wantPins(t, w, "unpin 9 h ann: the pull request was merged long ago")
	})
}

// A hundred open pull requests cost ten questions a look, and those that changed
// come first (I35).
func TestReview_AsksForApprovalsInTurn(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() {
			w.pinning = true
			for n := range 50 {
				w.heads[n+1], w.open = fmt.Sprintf("h%d", n+1), append(w.open, n+1)
			}
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		before := w.count(func() int { return w.read })
		w.change(func() { w.approve(50, "ann", "h50") })
		wantPins(t, w, "pin 50 h50 ann")
		if n := w.count(func() int { return w.read }) - before; n > 30 {
			t.Errorf("asked %d times in a minute", n)
		}
		// A forge that does not tell of the change is found out in turn.
		w.change(func() { w.approvals[3] = []forge.Approval{{By: "bob", At: time.Now(), Commit: "h3"}} })
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantPins(t, w, "pin 3 h3 bob")
	})
}

// Approvals that cannot be read keep no plan back, and are asked for again.
func TestReview_ApprovalsThatCannotBeRead(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, _ *forge.Review) {
		w.change(func() { w.pinning, w.heads[7], w.open = true, "h1", []int{7} })
		w.said()
		w.change(func() {
			w.approve(7, "ann", "h1")
			w.unapproved = errors.New("no such permission")
			w.heads[8], w.open = "h8", []int{7, 8}
		})
		wantSaid(t, w, "h8 bayplan/bay/plan pending: planning", "h8 bayplan/bay/plan success: No changes.")
		wantPins(t, w)
		w.change(func() { w.unapproved = nil })
		wantPins(t, w, "pin 7 h1 ann")
	})
}
