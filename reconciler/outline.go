package reconciler

import (
	"cmp"
	"fmt"
	"slices"
)

// Outline is what a plan comes to but for where slots are placed: what a reviewer
// approves, and what a commit is held against once it is merged. It does not name
// the commit: merged, squashed or rebased, the same changes are the same.
type Outline struct {
	// Texts are what changes of the text, sorted by workload and path.
	Texts []TextChange `json:"texts,omitempty"`
	// Effects are what that has containers suffer, sorted by workload.
	Effects []Effect `json:"effects,omitempty"`
}

// TextChange is one field of a workload, or of the operators' part, that becomes
// another.
type TextChange struct {
	// Workload is empty for the operators' part.
	Workload string `json:"workload,omitempty"`
	// Path is empty where the workload as a whole is new or goes.
	Path string `json:"path,omitempty"`
	// Sum is of both values in full.
	Sum string `json:"sum"`
	// Text is for people; what looks like a secret is hidden in it.
	Text string `json:"text"`
}

func (c *TextChange) compare(d *TextChange) int {
	return cmp.Or(cmp.Compare(c.Workload, d.Workload), cmp.Compare(c.Path, d.Path))
}

// String names the change for people.
func (c *TextChange) String() string {
	return cmp.Or(c.Workload, "the cluster") + ": " + c.Text
}

// Effect is what becomes of a workload's containers.
type Effect struct {
	Workload string `json:"workload"`
	// Restarts is whether running ones are replaced, and Stops whether any end for
	// good.
	Restarts bool `json:"restarts,omitempty"`
	Stops    bool `json:"stops,omitempty"`
	// Evicted are those that end to make room for others, and Unplaced the slots that
	// find no place.
	Evicted  int `json:"evicted,omitempty"`
	Unplaced int `json:"unplaced,omitempty"`
}

func (e *Effect) plus(f *Effect) Effect {
	return Effect{e.Workload, e.Restarts || f.Restarts, e.Stops || f.Stops, e.Evicted + f.Evicted, e.Unplaced + f.Unplaced}
}

// beyond is what e has that is not in the most that was approved; "" for nothing.
func (e *Effect) beyond(most *Effect) string {
	switch {
	case e.Unplaced > most.Unplaced:
		return fmt.Sprintf("%d of %s would find no place, not %d", e.Unplaced, e.Workload, most.Unplaced)
	case e.Evicted > most.Evicted:
		return fmt.Sprintf("%d of %s would be evicted, not %d", e.Evicted, e.Workload, most.Evicted)
	case e.Stops && !most.Stops:
		return "containers of " + e.Workload + " would be stopped"
	case e.Restarts && !most.Restarts:
		return "containers of " + e.Workload + " would be replaced"
	}
	return ""
}

// Outlined finds the pinned plans that together are what o would do, by their keys;
// a plan counts only if all that it says would happen. why is what o does that they
// do not say, or "".
func (o *Outline) Outlined(plans []PinnedPlan) (by []string, why string) {
	if len(o.Texts) == 0 {
		return nil, ""
	}
	said := make([]bool, len(o.Texts))
	most := map[string]Effect{}
	for i := range plans {
		p := &plans[i]
		at, whole := p.Outline.in(o)
		if !whole {
			continue
		}
		by = append(by, p.Key())
		for _, k := range at {
			said[k] = true
		}
		for _, e := range p.Outline.Effects {
			was := most[e.Workload]
			most[e.Workload] = e.plus(&was)
		}
	}
	if slices.Contains(said, false) {
		return nil, o.unsaid(said, plans)
	}
	for i := range o.Effects {
		e := &o.Effects[i]
		was := most[e.Workload]
		if why = e.beyond(&was); why != "" {
			return nil, why + ", which no approved plan says"
		}
	}
	return by, ""
}

// in is where o says what p says; whole is whether it says all of it.
func (p *Outline) in(o *Outline) (at []int, whole bool) {
	for i := range p.Texts {
		k, found := o.find(&p.Texts[i])
		if !found || o.Texts[k].Sum != p.Texts[i].Sum {
			return nil, false
		}
		at = append(at, k)
	}
	return at, len(at) > 0
}

func (o *Outline) find(c *TextChange) (at int, found bool) {
	return slices.BinarySearchFunc(o.Texts, c, func(a TextChange, b *TextChange) int { return a.compare(b) })
}

// unsaid tells of the first change that no plan says, beside the plan that is
// nearest to it.
func (o *Outline) unsaid(said []bool, plans []PinnedPlan) string {
	p := o.nearest(plans)
	first, also := "", 0
	for i := range o.Texts {
		if said[i] {
			continue
		}
		switch text := o.Texts[i].besides(p); {
		case text == "":
		case first == "":
			first = text
		default:
			also++
		}
	}
	if first == "" {
		return p.toomuch(o)
	}
	if also > 0 {
		first += fmt.Sprintf(", and %d more", also)
	}
	return first
}

// besides tells what the plan says in the place of c; "" where it says c, and it
// is nil where no plan is about anything like it.
func (c *TextChange) besides(p *PinnedPlan) string {
	if p == nil {
		return "nobody approved a plan that says " + c.String()
	}
	k, found := p.Outline.find(c)
	switch {
	case !found:
		return p.String() + " does not say " + c.String()
	case p.Outline.Texts[k].Sum != c.Sum:
		return p.String() + " says " + p.Outline.Texts[k].String() + ", and now it is " + c.Text
	}
	return ""
}

// toomuch tells what the plan says that o does not.
func (p *PinnedPlan) toomuch(o *Outline) string {
	for i := range p.Outline.Texts {
		c := &p.Outline.Texts[i]
		if k, found := o.find(c); !found || o.Texts[k].Sum != c.Sum {
			return p.String() + " says " + c.String() + ", which would not happen now"
		}
	}
	return p.String() + " says something else"
}

// nearest is the plan with the most changes of the same fields, of equals the
// newest; nil where none has any.
func (o *Outline) nearest(plans []PinnedPlan) (best *PinnedPlan) {
	most := 0
	for i := range plans {
		n := 0
		for j := range plans[i].Outline.Texts {
			if _, found := o.find(&plans[i].Outline.Texts[j]); found {
				n++
			}
		}
		if n > 0 && n >= most {
			best, most = &plans[i], n
		}
	}
	return best
}
