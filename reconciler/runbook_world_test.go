package reconciler_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// setRunbook reads first=, before=, steps= (what comes after) and last= as lists of steps such as
// "!drain*2,lag@0,+other,~own": ! is an action, ~ a container of its own, + goes
// together with the one before it, *2 are retries and @0 is a slot. parallel= and
// what follows a phase=NAME:2,1 are that phase's.
func setRunbook(w *schema.Workload, k, v string) (err error) {
	b := w.Update.Runbook
	if b == nil {
		b = &schema.Runbook{Parallel: 1}
		w.Update.Runbook = b
	}
	before, after, parallel := &b.Before, &b.After, &b.Parallel
	if n := len(b.Phases); n > 0 {
		before, after, parallel = &b.Phases[n-1].Before, &b.Phases[n-1].After, &b.Phases[n-1].Parallel
	}
	switch k {
	case "parallel":
		*parallel, err = strconv.Atoi(v)
	case "phase":
		name, slots, _ := strings.Cut(v, ":")
		ph := schema.Phase{Name: name, Parallel: 1}
		for _, s := range strings.FieldsFunc(slots, func(r rune) bool { return r == ',' }) {
			n, _ := strconv.Atoi(s)
			ph.Slots = append(ph.Slots, n)
		}
		b.Phases = append(b.Phases, ph)
	default:
		*map[string]*[]schema.Step{"first": &b.First, "before": before, "steps": after, "last": &b.Last}[k], err = parseSteps(v)
	}
	return err
}

func parseSteps(list string) (all []schema.Step, err error) {
	for _, text := range strings.Split(list, ",") {
		s := schema.Step{Kind: schema.Check, Timeout: schema.Duration(30 * time.Second), Interval: schema.Duration(2 * time.Second)}
		exec := true
		for flag := ""; text != "" && strings.ContainsRune("!~+", rune(text[0])); text = text[1:] {
			switch flag = text[:1]; flag {
			case "!":
				s.Kind = schema.Action
			case "~":
				exec = false
			case "+":
				s.Together = true
			}
		}
		text, on, has := strings.Cut(text, "@")
		if has {
			n, err := strconv.Atoi(on)
			if err != nil {
				return nil, err
			}
			s.Slot = &n
		}
		name, retries, _ := strings.Cut(text, "*")
		s.Name = name
		if retries != "" {
			if s.Retries, err = strconv.Atoi(retries); err != nil {
				return nil, err
			}
		}
		if exec {
			s.Exec = &schema.ExecCheck{Command: []string{name}}
		} else {
			s.Run = &schema.OneShot{Command: []string{name}}
		}
		all = append(all, s)
	}
	return all, nil
}

// endStep gives a step that is carried out its outcome: as told where its name
// begins with prefix. One that has ended stays as it was.
func (w *world) endStep(x, was *nodes.Instance, wrong, prefix string) bool {
	if x.Outcome == nil {
		return false
	}
	x.Since = w.now
	name := ""
	for i := range w.facts.Nodes {
		if o := orderOf(&w.facts.Nodes[i], x.ID); o != nil {
			name = o.Step.Name
		}
	}
	switch {
	case was != nil && was.Outcome != nil:
		x.Outcome = was.Outcome
	case wrong == "" || !strings.HasPrefix(name, strings.ReplaceAll(prefix, "_", " ")):
	case wrong == "slow":
		x.Phase, x.Outcome = nodes.Running, nil
	case wrong == "unknown":
		x.Outcome = &nodes.Outcome{Unknown: true, Text: "the agent was started anew while it ran"}
	case wrong == "failed":
		x.Outcome = &nodes.Outcome{ExitCode: 3, Text: "exited with code 3", Output: "looking\nlag is 7 MB"}
	}
	return true
}

// tellCourse tells where a rollout's runbook stands.
func tellCourse(b *strings.Builder, c *reconciler.Course) {
	if c == nil {
		return
	}
	fmt.Fprintf(b, "; part %d", c.Part)
	for _, t := range c.Turns {
		fmt.Fprintf(b, " %d:%s", t.Slot, t.At)
	}
	for _, t := range c.Tries {
		fmt.Fprintf(b, " [%s %d of %d, try %d %s]", t.List, t.Step, t.Slot, t.Number, t.State)
	}
	if c.Failed {
		b.WriteString(" failed")
	}
}

// anyRunbook gives an ordered workload a runbook, or none.
func (a actions) anyRunbook(w *schema.Workload, pick func(label string, from ...string) string) {
	if w.Update.Strategy != schema.Ordered {
		return
	}
	if w.Kind == schema.Daemon {
		w.Update.Strategy = "rolling"
		return
	}
	fields := []string{pick("first", "", "first=!open@0", "first=~open"), pick("before", "", "before=!drain,+ring", "before=!drain*1,~ring", "before=sick*1"),
		pick("steps", "", "steps=!up*2,lag", "steps=lag@0,!sick"), pick("last", "", "last=!close@0")}
	if phases := strings.Fields(pick("phases", "", "", "phase=low:0 phase=rest", "phase=rest phase=low:0")); len(phases) > 0 && w.Replicas > 0 {
		fields = slices.Insert(fields, 1, phases[0])
		fields = slices.Insert(fields, 4, phases[1])
	}
	if fields[1] == "" && w.Update.InPlace(w.Replicas) > 1 {
		fields = append(fields, pick("parallel", "", "parallel=2"))
	}
	for _, f := range fields {
		if k, v, has := strings.Cut(f, "="); has {
			if err := setRunbook(w, k, v); err != nil {
				a.t.Fatal(err)
			}
		}
	}
}

// checkSteps: a step is ordered once it is recorded (I32), no action more often
// than its retries say, and only for the course that its rollout is on.
func (f *fleet) checkSteps(in reconciler.Input, p *reconciler.Plan) {
	for i := range p.Facts.Nodes {
		n := &p.Facts.Nodes[i]
		for j := range n.Assignment.Orders {
			o := &n.Assignment.Orders[j]
			if o.Step == nil || o.Stop || orderOf(nodeFact(&in.Facts, n.Name), o.ID) != nil {
				continue
			}
			t, s := tryOf(&p.Facts, o)
			if t == nil {
				f.t.Fatalf("I32: %s is ordered on %s and not recorded", o.Step.Name, n.Name)
			}
			key := rolloutOf(&p.Facts, o.Slot.Workload).Course.ID + " " + fmt.Sprint(t.List, t.Slot, t.Step)
			if f.ran[key]++; s.Kind == schema.Action && f.ran[key] > s.Retries+1 {
				f.t.Fatalf("%s is ordered %d times with %d retries", o.Step.Name, f.ran[key], s.Retries)
			}
		}
	}
}

// tryOf is the record of a step's order, with the step's text.
func tryOf(facts *reconciler.Facts, o *nodes.Order) (*reconciler.Try, *schema.Step) {
	r := rolloutOf(facts, o.Slot.Workload)
	if r == nil || r.Course == nil {
		return nil, nil
	}
	for i := range r.Course.Tries {
		if t := &r.Course.Tries[i]; t.Order == o.ID && t.State == reconciler.TryOrdered {
			return t, reconciler.StepOf(r.Want, t)
		}
	}
	return nil, nil
}

// cured is a runbook whose steps all pass.
func cured(b *schema.Runbook) *schema.Runbook {
	return &schema.Runbook{First: well(b.First), Before: well(b.Before), After: well(b.After), Last: well(b.Last), Parallel: b.Parallel}
}

// well are the steps that pass.
func well(list []schema.Step) []schema.Step {
	return slices.DeleteFunc(slices.Clone(list), func(s schema.Step) bool { return s.Name == "sick" })
}
