package status

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// outlineOf is what a plan comes to but for where: the change from old to new in
// full, secrets too, by their hashes, and what it has containers suffer.
func outlineOf(old, new *schema.Spec, p *Preview) reconciler.Outline {
	o := reconciler.Outline{Effects: effectsOf(p)}
	for _, c := range rawClusterChanges(old, new) {
		o.Texts = append(o.Texts, textChange("", c))
	}
	was, is := old.Workloads, new.Workloads
	for len(was)+len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && was[0].Name < is[0].Name:
			o.Texts = append(o.Texts, reconciler.TextChange{Workload: was[0].Name, Sum: sumOf("remove"), Text: "remove"})
			was = was[1:]
		case len(was) == 0 || is[0].Name < was[0].Name:
			o.Texts = append(o.Texts, reconciler.TextChange{Workload: is[0].Name, Sum: sumOf(&is[0]), Text: "create" + madeOf(&is[0])})
			is = is[1:]
		default:
			o.Texts = append(o.Texts, textChanges(&was[0], &is[0])...)
			was, is = was[1:], is[1:]
		}
	}
	return o
}

// textChanges are those of a workload that stays.
func textChanges(old, new *schema.Workload) (all []reconciler.TextChange) {
	if schema.SameText(old, new) {
		return nil // as nearly all are
	}
	for _, c := range rawChanges(old, new) {
		all = append(all, textChange(new.Name, c))
	}
	return all
}

// madeOf names what a new workload is made of, since that can become another
// while all of its text stays.
func madeOf(w *schema.Workload) string {
	var images []string
	for image, pinned := range w.References {
		images = append(images, cmp.Or(pinned, image))
	}
	slices.Sort(images)
	if len(images) == 0 {
		return ""
	}
	return " of " + brief(strings.Join(slices.Compact(images), ", "))
}

// digest fits one with enough of its digits to tell it from another.
var digest = regexp.MustCompile(`(sha256:[0-9a-f]{12})[0-9a-f]{52}`)

// brief is a text that people can take in.
func brief(text string) string {
	all := []rune(digest.ReplaceAllString(text, "$1"))
	if len(all) > longestText {
		all = append(all[:longestText-1], '…')
	}
	return string(all)
}

// longestText is how much of a change is told.
const longestText = 240

func textChange(workload string, c FieldChange) reconciler.TextChange {
	t := reconciler.TextChange{Workload: workload, Path: c.Path, Sum: sumOf([2]string{c.From, c.To})}
	told := hidden(c)
	t.Text = brief(told.Path + ": " + orNothing(told.From) + " → " + orNothing(told.To))
	return t
}

func orNothing(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

func sumOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("status: desired state is always JSON: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// effectsOf are those of a plan, by workload.
func effectsOf(p *Preview) (all []reconciler.Effect) {
	by := map[string]*reconciler.Effect{}
	of := func(workload string) *reconciler.Effect {
		if by[workload] == nil {
			by[workload] = &reconciler.Effect{Workload: workload}
		}
		return by[workload]
	}
	for i := range p.Changes {
		for _, s := range p.Changes[i].Slots {
			switch s.Effect {
			case "restart", "move":
				of(p.Changes[i].Workload).Restarts = true
			case "stop":
				of(p.Changes[i].Workload).Stops = true
			}
		}
	}
	for i := range p.Evictions {
		of(workloadOf(p.Evictions[i].Slot)).Evicted++
	}
	for i := range p.Unplaced {
		of(workloadOf(p.Unplaced[i].Slot)).Unplaced++
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		all = append(all, *by[name])
	}
	return all
}

func workloadOf(slot string) string {
	s, _ := schema.ParseSlot(slot)
	return s.Workload
}
