package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// alike are slots of one workload of which the same is to be told.
type alike struct {
	first int // its place among all that are told of
	slots []schema.Slot
}

// groupAlike puts together what follows each other and is the same but for the slot.
func groupAlike(count int, slot func(i int) string, same func(a, b int) bool) (groups []alike) {
	for i := range count {
		s, ok := schema.ParseSlot(slot(i))
		if k := len(groups) - 1; ok && k >= 0 && len(groups[k].slots) > 0 && groups[k].slots[0].Workload == s.Workload && same(groups[k].first, i) {
			groups[k].slots = append(groups[k].slots, s)
			continue
		}
		groups = append(groups, alike{first: i})
		if ok {
			groups[len(groups)-1].slots = []schema.Slot{s}
		}
	}
	return groups
}

// others tells of all but the first: "shop/web.1 to shop/web.39", or where some
// between them are told of elsewhere, "39 others of it up to shop/web.40".
func (a *alike) others() string {
	rest := a.slots[1:]
	first, last := rest[0], rest[len(rest)-1]
	switch {
	case len(rest) == 1:
		return first.String()
	case last.Index-first.Index == len(rest)-1:
		return first.String() + " to " + last.String()
	}
	return fmt.Sprintf("%d others of it up to %s", len(rest), last)
}

func (a *alike) are() string {
	if len(a.slots) == 2 {
		return "is"
	}
	return "are"
}

// sameAnswer is whether two slots that are nowhere have the same to be told of them.
func sameAnswer(a, b *status.Explanation) bool {
	return len(a.Instances)+len(b.Instances) == 0 && strings.TrimPrefix(a.Text, a.Slot) == strings.TrimPrefix(b.Text, b.Slot) &&
		slices.Equal(a.Lines, b.Lines) && a.Next == b.Next && slices.EqualFunc(a.Events, b.Events, sameEvent)
}

// sameEvent is whether two events are one.
func sameEvent(a, b status.Event) bool {
	same := a.Time.Equal(b.Time)
	a.Time, b.Time = time.Time{}, time.Time{}
	return same && a == b
}

// Explanations draws the answers for the slots of a workload; those that are nowhere
// for the same reasons once.
func Explanations(w io.Writer, all []status.Explanation, l Look) {
	groups := groupAlike(len(all), func(i int) string { return all[i].Slot }, func(a, b int) bool { return sameAnswer(&all[a], &all[b]) })
	for i := range groups {
		if i > 0 {
			fmt.Fprintln(w)
		}
		one := &all[groups[i].first]
		if len(groups[i].slots) > 1 {
			same := *one
			same.Text += "; so " + groups[i].are() + " " + groups[i].others()
			one = &same
		}
		Explanation(w, one, l)
	}
}

// unplaced draws what finds no place; what does so for the same reasons once.
func unplaced(w io.Writer, all []status.PreviewUnplaced, l Look) {
	same := func(a, b int) bool { return all[a].Text == all[b].Text && slices.Equal(all[a].Why, all[b].Why) }
	for _, g := range groupAlike(len(all), func(i int) string { return all[i].Slot }, same) {
		u := &all[g.first]
		who := u.Slot + " finds"
		if len(g.slots) > 1 {
			who = u.Slot + ", and so " + g.others() + ", finds"
		}
		fmt.Fprintf(w, "%s %s no place: %s\n", l.Paint.Text(show.Bad, "!"), show.Clean(who), show.Clean(u.Text))
		for _, why := range u.Why {
			fmt.Fprintf(w, "    %s\n", show.Clean(why))
		}
		fmt.Fprintln(w)
	}
}
