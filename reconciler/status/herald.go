package status

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Herald tells of problems, which are a state, in events: one when a problem
// appears or comes to say something else, one when it is over. What comes and
// goes, or changes all the time, is told ever more rarely, so that the record
// stays readable and bounded; numbers alone are no news. It is not safe for
// concurrent use.
type Herald struct {
	known map[matter]*telling
	round int // of News, to find what is not there any more
}

// matter is what a problem is about, whatever it says: a workload rather than
// each of its slots, a node's silence rather than how long it lasts.
type matter struct{ code, subject string }

// telling is what was last told of a matter, and how it stands now.
type telling struct {
	text     string // told last
	over     bool   // told to be over
	at       time.Time
	patience time.Duration // from at until more may be told

	now  Event // as it stands, if it is there
	seen int   // the round in which it last was; 0 is an earlier herald's
	gone time.Time
}

// sure is how long the matter must be away to be over. After a restart it takes
// a while until all troubles are met again.
func (t *telling) sure() time.Duration {
	if t.seen == 0 {
		return time.Minute
	}
	return 10 * time.Second
}

const (
	// After each telling of a matter the next one waits for twice as long,
	// between these.
	firstPatience = 30 * time.Second
	lastPatience  = 15 * time.Minute
	// peace is how long nothing is told of a matter until all is forgotten.
	peace = time.Hour
	// MaxNews bounds the events of one call of News.
	MaxNews = 100
)

// NewHerald takes up where an earlier one left off, whose events are in past,
// oldest first.
func NewHerald(past []Event) *Herald {
	h := &Herald{known: map[matter]*telling{}}
	for i := range past {
		if e := &past[i]; e.Kind == "problem" && e.Code != "" {
			h.known[matter{e.Code, e.Subject}] = &telling{text: strings.TrimPrefix(e.Text, overMark), over: e.Over, at: e.Time, patience: firstPatience, now: *e}
		}
	}
	return h
}

// overMark begins the text of an event that ends a problem.
const overMark = "over: "

// News are the events that what stands makes now, sorted by subject, and when
// there may be more to tell of the same; zero is never. What News returns counts
// as told.
func (h *Herald) News(standing []Event, now time.Time) (events []Event, wake time.Time) {
	h.round++
	for _, e := range gather(standing) {
		h.hear(e)
	}
	for m, t := range h.known {
		e, next := t.news(now, t.seen == h.round)
		switch {
		case e.Kind != "":
			e.Time = now
			events = append(events, e)
		case t.over && now.Sub(t.at) >= peace:
			delete(h.known, m)
		}
		if !next.IsZero() && (wake.IsZero() || next.Before(wake)) {
			wake = next
		}
	}
	slices.SortFunc(events, func(a, b Event) int {
		return cmp.Or(strings.Compare(a.Subject, b.Subject), strings.Compare(a.Code, b.Code))
	})
	return abridged(events, now), wake
}

func (h *Herald) hear(e Event) {
	m := matter{e.Code, e.Subject}
	t := h.known[m]
	if t == nil {
		t = &telling{over: true}
		h.known[m] = t
	}
	t.now, t.seen, t.gone = e, h.round, time.Time{}
}

// news is what is to be told of the matter now, if anything, and when to look
// again.
func (t *telling) news(now time.Time, there bool) (e Event, next time.Time) {
	switch {
	case there && !t.over && (t.now.Text == t.text || shape(t.now.Text) == shape(t.text)):
		return e, next
	case !there && t.over:
		return e, next
	case !there && t.gone.IsZero():
		t.gone = now
	}
	due := t.at.Add(t.patience)
	if away := t.gone.Add(t.sure()); !there && due.Before(away) {
		due = away
	}
	if due.After(now) {
		return e, due
	}
	return t.tell(now, there), next
}

func (t *telling) tell(now time.Time, there bool) Event {
	if now.Sub(t.at) >= peace {
		t.patience = 0
	}
	t.at, t.over = now, !there
	t.patience = min(max(2*t.patience, firstPatience), lastPatience)
	if there {
		t.text = t.now.Text
		return t.now
	}
	e := t.now
	e.Over, e.Text = true, overMark+t.text
	return e
}

// number is a word that only counts: "3", "12s", "1.5Gi", "(4", "7%".
var number = regexp.MustCompile(`^\(?[0-9][0-9.]*[a-zA-Z%]{0,3}([0-9.]+[a-zA-Z%]{0,2})*[),.;:]*$`)

// shape is the text without its counts.
func shape(text string) string {
	words := slices.DeleteFunc(strings.Fields(text), number.MatchString)
	return strings.Join(words, " ")
}

// gather makes one event of those of each matter.
func gather(standing []Event) []Event {
	var events []Event
	at, more := map[matter]int{}, map[matter]int{}
	for _, e := range standing {
		m := matter{e.Code, e.Subject}
		if k, known := at[m]; known {
			more[m]++
			events[k].Slot = "" // it is about several
			continue
		}
		at[m] = len(events)
		events = append(events, e)
	}
	for m, n := range more {
		events[at[m]].Text += fmt.Sprintf("; and %d more", n)
	}
	return events
}

// abridged keeps the first events and says how many there are beyond them.
func abridged(events []Event, now time.Time) []Event {
	if len(events) <= MaxNews {
		return events
	}
	text := fmt.Sprintf("and %d more problems began or ended; see: bayplan status", len(events)-MaxNews+1)
	return append(events[:MaxNews-1:MaxNews-1], Event{Time: now, Kind: "problem", Text: text})
}
