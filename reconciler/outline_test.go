package reconciler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/reconciler"
)

// outline is made of "workload path value" and "workload effect" texts; an effect
// is one of restarts, stops, evicted, unplaced.
func outline(lines ...string) (o reconciler.Outline) {
	effects := map[string]*reconciler.Effect{}
	for _, line := range lines {
		f := strings.Fields(line)
		if len(f) == 3 {
			o.Texts = append(o.Texts, reconciler.TextChange{Workload: f[0], Path: f[1], Sum: f[2], Text: f[1] + ": " + f[2]})
			continue
		}
		e := effects[f[0]]
		if e == nil {
			e = &reconciler.Effect{Workload: f[0]}
			effects[f[0]] = e
		}
		switch f[1] {
		case "restarts":
			e.Restarts = true
		case "stops":
			e.Stops = true
		case "evicted":
			e.Evicted++
		case "unplaced":
			e.Unplaced++
		}
	}
	for _, e := range effects {
		o.Effects = append(o.Effects, *e)
	}
	slices.SortFunc(o.Effects, func(a, b reconciler.Effect) int { return strings.Compare(a.Workload, b.Workload) })
	slices.SortFunc(o.Texts, func(a, b reconciler.TextChange) int {
		return strings.Compare(a.Workload+" "+a.Path, b.Workload+" "+b.Path)
	})
	return o
}

func pinned(pull int, lines ...string) reconciler.PinnedPlan {
	return reconciler.PinnedPlan{Voucher: reconciler.Voucher{Pull: pull, Commit: fmt.Sprint("head", pull), Actor: "ann"}, Outline: outline(lines...)}
}

// TestOutlined tells what is wrong beside the plan that is nearest.
func TestOutlined(t *testing.T) {
	one := pinned(1, "a/web image 2", "a/web env.A x", "a/web restarts")
	two := pinned(2, "a/db image 2", "a/db restarts", "b/batch evicted")
	for _, c := range []struct {
		name string
		now  reconciler.Outline
		by   []string
		why  string
	}{
		{"nothing happens", outline("a/web unplaced"), nil, ""},
		{"what was approved", outline("a/web image 2", "a/web env.A x", "a/web restarts"), []string{"1 head1 ann"}, ""},
		{"it causes less", outline("a/web image 2", "a/web env.A x"), []string{"1 head1 ann"}, ""},
		{"both", outline("a/web image 2", "a/web env.A x", "a/db image 2", "a/web restarts", "a/db restarts", "b/batch evicted"), []string{"1 head1 ann", "2 head2 ann"}, ""},
		{"another value", outline("a/web image 3", "a/web env.A x"), nil, "the plan of pull request 1 that ann approved says a/web: image: 2, and now it is image: 3"},
		{"less", outline("a/web image 2"), nil, "the plan of pull request 1 that ann approved says a/web: env.A: x, which would not happen now"},
		{"more", outline("a/web image 2", "a/web env.A x", "a/web env.B y", "a/web env.C z"), nil, "the plan of pull request 1 that ann approved does not say a/web: env.B: y, and 1 more"},
		{"something else", outline("a/api image 2"), nil, "nobody approved a plan that says a/api: image: 2"},
		{"more evictions", outline("a/db image 2", "b/batch evicted", "b/batch evicted"), nil, "2 of b/batch would be evicted, not 1, which no approved plan says"},
		{"another's effect", outline("a/db image 2", "a/web restarts"), nil, "containers of a/web would be replaced, which no approved plan says"},
		{"it stops", outline("a/db image 2", "a/db stops"), nil, "containers of a/db would be stopped, which no approved plan says"},
		{"no place", outline("a/db image 2", "a/db unplaced"), nil, "1 of a/db would find no place, not 0, which no approved plan says"},
	} {
		by, why := c.now.Outlined([]reconciler.PinnedPlan{one, two})
		if !slices.Equal(by, c.by) || why != c.why {
			t.Errorf("%s: %v, %q; want %v, %q", c.name, by, why, c.by, c.why)
		}
	}
}

// Whatever was approved, a commit passes only if each of its changes is one of a
// plan whose changes all happen, and all changes of the plans that it is said to
// be are its own.
func TestOutlined_PassesNothingBesideWhatWasApproved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("w%d p%d %d", rapid.IntRange(0, 2).Draw(t, "w"), rapid.IntRange(0, 2).Draw(t, "p"), rapid.IntRange(0, 1).Draw(t, "v"))
		})
		lines := rapid.SliceOfNDistinct(line, 1, 5, func(s string) string { return s[:len(s)-2] })
		var plans []reconciler.PinnedPlan
		for i := range rapid.IntRange(0, 4).Draw(t, "plans") {
			plans = append(plans, pinned(i+1, lines.Draw(t, "plan")...))
		}
		now := outline(lines.Draw(t, "now")...)
		by, why := now.Outlined(plans)
		said := map[string]bool{}
		for _, p := range plans {
			for _, c := range p.Outline.Texts {
				if slices.Contains(by, p.Key()) {
					said[c.Workload+c.Path+c.Sum] = true
				}
			}
		}
		done := map[string]bool{}
		for _, c := range now.Texts {
			done[c.Workload+c.Path+c.Sum] = true
		}
		same := fmt.Sprint(said) == fmt.Sprint(done)
		if (why == "") != same || why != "" && len(by) > 0 {
			t.Fatalf("now %v, plans %v: by %v, %q", now, plans, by, why)
		}
		if why == "" {
			return
		}
		if left := pinned(9, strings.Split(text(now), "\n")...); func() bool { _, w := now.Outlined(append(plans, left)); return w != "" }() {
			t.Fatalf("approved as it is, it does not pass: %v", now)
		}
	})
}

func text(o reconciler.Outline) string {
	var lines []string
	for _, c := range o.Texts {
		lines = append(lines, c.Workload+" "+c.Path+" "+c.Sum)
	}
	return strings.Join(lines, "\n")
}

// TestPinPlan_IsBounded: the oldest plans give way, and one that is too large is
// refused (I35).
func TestPinPlan_IsBounded(t *testing.T) {
	var f reconciler.Facts
	for i := range 2 * reconciler.MaxPlans {
		var err error
		if f, err = reconciler.PinPlan(f, pinned(i, "a/web image 2")); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.Plans); n != reconciler.MaxPlans || f.Plans[n-1].Pull != 2*reconciler.MaxPlans-1 {
		t.Errorf("%d plans, the last of %d", n, f.Plans[n-1].Pull)
	}
	large := pinned(7)
	large.Outline.Texts = make([]reconciler.TextChange, reconciler.MaxPlanTexts)
	f, err := reconciler.PinPlan(f, large)
	if err != nil || len(f.Plans) != 1 || f.Plans[0].Pull != 7 {
		t.Errorf("%d plans beside one that fills the memory, %v", len(f.Plans), err)
	}
	large.Outline.Texts = make([]reconciler.TextChange, reconciler.MaxPlanTexts+1)
	if _, err := reconciler.PinPlan(f, large); err == nil || !strings.Contains(err.Error(), "bayplan approve") {
		t.Errorf("one that is too large: %v", err)
	}
	if f = reconciler.UnpinPlan(f, f.Plans[0].Key()); len(f.Plans) != 0 {
		t.Error("it is still pinned")
	}
}
