package status_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

var began = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// waits is a workload that finds no place.
func waits(text string) status.Event {
	return status.Event{Kind: "problem", Code: "unplaced", Subject: "shop/web", Workload: "shop/web", Text: text}
}

// TestHerald_Transcript is what is told of one matter as time passes.
func TestHerald_Transcript(t *testing.T) {
	h := status.NewHerald(nil)
	for _, step := range []struct {
		at   time.Duration
		is   string // what stands; "" is nothing
		want string // what is told
	}{
		{0, "shop/web: needs 2 cpu; n1 has 1 free", "shop/web: needs 2 cpu; n1 has 1 free"},
		{time.Second, "shop/web: needs 2 cpu; n1 has 1 free", ""},
		{time.Minute, "shop/web: needs 2 cpu; n1 has 500m free", ""}, // a count is no news
		{2 * time.Minute, "shop/web: needs 4Gi; n1 has 1Gi", "shop/web: needs 4Gi; n1 has 1Gi"},
		{2*time.Minute + 10*time.Second, "shop/web: no node is ready", ""}, // too soon for more
		{3*time.Minute + time.Second, "shop/web: no node is ready", "shop/web: no node is ready"},
		{4 * time.Minute, "", ""}, // it may come back
		{4*time.Minute + 9*time.Second, "", ""},
		{6 * time.Minute, "", "over: shop/web: no node is ready"},
		{7 * time.Minute, "", ""},
		{3 * time.Hour, "shop/web: no node is ready", "shop/web: no node is ready"},
	} {
		var standing []status.Event
		if step.is != "" {
			standing = append(standing, waits(step.is))
		}
		events, _ := h.News(standing, began.Add(step.at))
		var got []string
		for _, e := range events {
			got = append(got, e.Text)
			if e.Kind != "problem" || e.Code != "unplaced" || e.Workload != "shop/web" || !e.Time.Equal(began.Add(step.at)) || e.Over != (step.is == "") {
				t.Errorf("at %s: %+v", step.at, e)
			}
		}
		if text := strings.Join(got, "|"); text != step.want {
			t.Errorf("at %s: told %q, want %q", step.at, text, step.want)
		}
	}
}

func TestHerald_GoesOnWhereAnotherLeftOff(t *testing.T) {
	stands := waits("shop/web: no node is ready")
	past, _ := status.NewHerald(nil).News([]status.Event{stands}, began)
	h := status.NewHerald(past)
	if events, _ := h.News([]status.Event{stands}, began.Add(time.Hour)); len(events) > 0 {
		t.Errorf("told again: %v", events)
	}
	h = status.NewHerald(past)
	h.News(nil, began.Add(2*time.Hour))
	if events, _ := h.News(nil, began.Add(2*time.Hour+50*time.Second)); len(events) > 0 {
		t.Errorf("over before it could be met again: %v", events)
	}
	events, _ := h.News(nil, began.Add(2*time.Hour+time.Minute))
	if len(events) != 1 || !events[0].Over || events[0].Workload != "shop/web" {
		t.Errorf("its end: %+v", events)
	}
	if events, _ = status.NewHerald(append(past, events...)).News(nil, began.Add(3*time.Hour)); len(events) > 0 {
		t.Errorf("over already: %v", events)
	}
}

func TestHerald_ManyAtOnceAreBounded(t *testing.T) {
	h := status.NewHerald(nil)
	var standing []status.Event
	for i := range 20_000 {
		name := fmt.Sprintf("shop/w%d", i/2)
		standing = append(standing, status.Event{Kind: "problem", Code: "unplaced", Subject: name, Workload: name, Slot: fmt.Sprintf("%s.%d", name, i%2), Text: name + ": no node"})
	}
	events, _ := h.News(standing, began)
	if len(events) != status.MaxNews || !strings.Contains(events[len(events)-1].Text, "bayplan status") || events[0].Slot != "" || events[0].Text != "shop/w0: no node; and 1 more" {
		t.Errorf("%d events, the first %+v, the last %+v", len(events), events[0], events[len(events)-1])
	}
	if events, _ = h.News(standing, began.Add(time.Minute)); len(events) > 0 {
		t.Errorf("and later: %v", events)
	}
}

// TestHerald_IsBoundedAndTellsTheTruthInTheEnd: however a matter comes, goes and
// changes, little is told of it (I35); and once it stands still, what was told
// last is how it is, within what the herald asks to be woken for.
func TestHerald_IsBoundedAndTellsTheTruthInTheEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := status.NewHerald(nil)
		now, told := began, status.Event{Over: true}
		count := 0
		look := func(standing []status.Event) time.Time {
			events, wake := h.News(standing, now)
			count += len(events)
			if len(events) > 0 {
				told = events[0]
			}
			return wake
		}
		states := []string{"", "", "shop/web: no node", "shop/web: other", "shop/web: no node is left"}
		var standing []status.Event
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 120).Draw(t, "seconds")) * time.Second)
			standing = nil
			if text := rapid.SampledFrom(states).Draw(t, "state"); text != "" {
				standing = []status.Event{waits(text)}
			}
			look(standing)
		}
		if most := 8 + int(now.Sub(began)/(15*time.Minute)); count > most {
			t.Fatalf("%d events in %s, want no more than %d", count, now.Sub(began), most)
		}
		for wake := look(standing); !wake.IsZero(); wake = look(standing) {
			if !wake.After(now) {
				t.Fatalf("to be woken at %s, which is not after %s", wake, now)
			}
			now = wake
		}
		if told.Over != (standing == nil) || standing != nil && told.Text != standing[0].Text {
			t.Fatalf("told last: %+v; stands: %v", told, standing)
		}
	})
}

// TestStanding_Kinds: each kind of problem that makes events is one matter with
// what it is about.
func TestStanding_Kinds(t *testing.T) {
	w := running()
	w.now = w.now.Add(20 * time.Second)
	commit := strings.Repeat("c", 40)
	in := status.Input{Observed: w.snap, Facts: w.facts, Now: w.now, Started: w.started,
		Newest:  &schema.Spec{Revision: schema.Revision{Commit: commit}, Teams: []schema.Team{{Name: "shop", Errors: []string{"shop/web.cue:1:2: no"}}}},
		Refused: []string{"nothing in it"}, Evaluating: &status.Evaluating{Commit: commit, Since: w.now},
		Troubles: []status.Problem{{Code: "git-unreachable", Text: "no route"}},
		Blocked: []reconciler.Blocked{{Workload: "shop/web", Slot: schema.Slot{Workload: "shop/web", Index: 1}, Code: "unplaced", Text: "none of 2 nodes"},
			{Workload: "shop/api", Code: string(nodes.ImageNotFound), Text: "image x does not exist"}},
	}
	var got []string
	for _, e := range status.Standing(in) {
		got = append(got, fmt.Sprintf("%s %s|%s|%s|%s|%.4s| %s", e.Kind, e.Code, e.Subject, e.Slot, e.Node, e.Commit, e.Text))
	}
	want := []string{
		"problem git-unreachable||||| no route",
		"problem evaluating||||cccc| commit cccccccccc is being evaluated since 03:00:20 UTC; until it is, what was in force stays",
		"problem spec-invalid||||cccc| commit cccccccccc: nothing in it",
		"problem spec-invalid|shop|||cccc| shop/web.cue:1:2: no",
		"problem unplaced|shop/web|shop/web.1||| shop/web: none of 2 nodes",
		"problem image-not-found|shop/api|||| shop/api: image x does not exist",
		"problem node-silent|n1||n1|| n1 is unreachable: silent for 20s",
		"problem node-silent|n2||n2|| n2 is unreachable: silent for 20s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
