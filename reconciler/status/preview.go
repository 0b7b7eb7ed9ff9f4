package status

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// The modes of a preview.
const (
	// Live compares a text with what the cluster runs and is on the way to.
	Live = "live"
	// OnBase compares it with another text, as if that had been carried out in full
	// on the same nodes: the same question has the same answer.
	OnBase = "base"
)

// Preview is what a tree would change on a cluster: the answer of `bayplan plan`.
type Preview struct {
	Schema string `json:"schema"`
	// Mode is Live or OnBase.
	Mode string `json:"mode"`
	// Commit is the one that is asked about, where it is known.
	Commit string `json:"commit,omitempty"`
	// Against is the commit that is in force now, or the base.
	Against string `json:"against"`
	// State names the state that it was decided on: nodes, instances and what
	// operators said. A preview of another state may be another.
	State string `json:"state"`
	// Cluster is what differs of pools and registries, by path.
	Cluster []FieldChange `json:"cluster,omitempty"`
	// Changes are sorted by workload.
	Changes []PreviewChange `json:"changes"`
	// Unplaced is what would find no place, with why.
	Unplaced []PreviewUnplaced `json:"unplaced"`
	// Evictions are the instances that would end to make room for others.
	Evictions []PreviewEviction `json:"evictions,omitempty"`
	// Pools are the use of the cluster, and of the pools by name, before, after and
	// at its peak, where it changes.
	Pools []PreviewPool `json:"pools,omitempty"`
	// Pulls are the images and archives that nodes would fetch, sorted.
	Pulls []PreviewPull `json:"pulls,omitempty"`
	// Held is why the commit would be held; empty when it would not.
	Held string `json:"held,omitempty"`
	// Warnings are what the preview could not know: images that no registry
	// would resolve, told beside their workloads too.
	Warnings []string `json:"warnings,omitempty"`
}

// PreviewChange is what would become of one workload.
type PreviewChange struct {
	Workload string `json:"workload"`
	// Action is "create", "update", "scale", "settings" (no container changes)
	// or "remove".
	Action string        `json:"action"`
	From   schema.Digest `json:"from,omitempty"`
	To     schema.Digest `json:"to,omitempty"`
	// Fields are the paths that differ, with both values, sorted.
	Fields []FieldChange `json:"fields,omitempty"`
	// Slots are where its slots would be in the end, sorted.
	Slots []PreviewSlot `json:"slots,omitempty"`
	// Strategy tells the way in words: "rolling, 1 at a time beside the old".
	Strategy string `json:"strategy,omitempty"`
	// Warnings are what would keep it from starting as things are now: its image
	// cannot be had.
	Warnings []string `json:"warnings,omitempty"`
}

// PreviewSlot is where a slot would be: From is empty for a new one, To for one
// that goes, both are equal for one that stays.
type PreviewSlot struct {
	Slot string `json:"slot"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Effect is what becomes of its container: "new", "stop", "restart" where it is,
	// "move" to another node; empty where it stays as it is.
	Effect string         `json:"effect,omitempty"`
	Ports  map[string]int `json:"ports,omitempty"`
	Score  int            `json:"score,omitempty"`
}

// PreviewUnplaced is a slot that would find no place.
type PreviewUnplaced struct {
	Slot string   `json:"slot"`
	Text string   `json:"text"`
	Why  []string `json:"why"`
}

// PreviewEviction is an instance that would end, for whom and by what right.
type PreviewEviction struct {
	Slot string `json:"slot"`
	Node string `json:"node"`
	Why  string `json:"why"`
}

// Explanation is why a slot is where it is, or why it is nowhere: the answer of
// `bayplan explain`.
type Explanation struct {
	Schema string `json:"schema"`
	Slot   string `json:"slot"`
	// Text is the answer in one sentence; Lines are its reasons.
	Text  string   `json:"text"`
	Lines []string `json:"lines"`
	Next  string   `json:"next,omitempty"`
	// Instances are what the slot has now.
	Instances []Slot `json:"instances"`
	// Events are its newest ones, oldest first.
	Events []Event `json:"events"`
}

// PreviewOf compares the facts before with where a forecast leads. unresolved
// has images in the place of workloads: what several ask for is told once.
func PreviewOf(before *reconciler.Facts, f *reconciler.Forecast, unresolved []reconciler.Unresolved) Preview {
	p := Preview{Schema: Schema, Mode: Live, Against: before.Spec.Revision.Commit, Held: f.Held,
		Cluster: clusterChanges(&before.Spec, &f.Facts.Spec), Changes: []PreviewChange{}, Unplaced: []PreviewUnplaced{},
		Pools: poolUse(before, f), Pulls: pulls(before, &f.Facts)}
	was, is := placesOf(before), placesOf(&f.Facts)
	for _, name := range names(before, &f.Facts) {
		c := PreviewChange{Workload: name}
		old, new := before.Spec.Workload(name), f.Facts.Spec.Workload(name)
		c.fill(old, new)
		if new != nil && new.Kind.Runs() && c.Action != "" {
			c.Strategy = runText(before, new)
		}
		c.Slots = slotChanges(was[name], is[name], f)
		c.tellVolumes(old, new)
		c.tellHold(&f.Facts)
		waits := c.warn(new, unresolved) && len(c.Fields) == 0 && old != nil
		if !waits && (c.Action != "" || moves(c.Slots)) {
			c.name(old, new)
			p.Changes = append(p.Changes, c)
		}
	}
	for _, c := range f.Evicted {
		p.Evictions = append(p.Evictions, PreviewEviction{Slot: c.Slot.String(), Node: c.Node, Why: c.Why})
	}
	for i := range f.Blocked {
		if b := &f.Blocked[i]; b.Why != nil {
			p.Unplaced = append(p.Unplaced, unplacedOf(b))
		}
	}
	for i := range unresolved {
		u := &unresolved[i]
		p.Warnings = append(p.Warnings, u.Failure.Text)
	}
	p.Warnings = append(p.Warnings, f.Refused...)
	if !f.Complete {
		p.Warnings = append(p.Warnings, "the preview was cut off: the rollout takes more steps than a preview follows")
	}
	return p
}

// name tells what there was and what there will be, also where they are the same
// and only move.
func (c *PreviewChange) name(old, new *schema.Workload) {
	if old != nil {
		c.From = old.Digest()
	}
	if new != nil {
		c.To = new.Digest()
	}
}

// fill says what kind of change it is, and which fields differ.
func (c *PreviewChange) fill(old, new *schema.Workload) {
	switch {
	case old == nil && new == nil:
		return
	case old == nil:
		c.Action = "create"
		return
	case new == nil:
		c.Action = "remove"
		return
	}
	if reflect.DeepEqual(old, new) {
		return // as nearly all are: what no commit touched shares its memory
	}
	c.name(old, new)
	c.Fields = fieldChanges(old, new)
	switch {
	case len(c.Fields) == 0:
	case c.From != c.To:
		c.Action, c.Strategy = "update", strategyText(new)
	case old.Replicas != new.Replicas:
		c.Action = "scale"
	default:
		c.Action = "settings"
	}
}

// warn tells of an image that cannot be had now. What it would be pinned to is
// then not known, and no change: a workload that waits for its image already goes
// on waiting.
func (c *PreviewChange) warn(w *schema.Workload, unresolved []reconciler.Unresolved) (warned bool) {
	for i := range unresolved {
		if u := &unresolved[i]; w != nil && w.Names(u.Workload) {
			c.Warnings = append(c.Warnings, u.Failure.Text)
			c.Fields = slices.DeleteFunc(c.Fields, func(f FieldChange) bool { return f.Path == "pinned" })
			warned = true
		}
	}
	return warned
}

// strategyText tells the way of an update in words.
func strategyText(w *schema.Workload) string {
	if w.Update.Strategy == "recreate" {
		return "recreate: all old ones stop before the new ones start"
	}
	n := max(w.Replicas, 1)
	if w.Update.Strategy == schema.Ordered {
		return orderedText(w, n)
	}
	if w.Update.Strategy == schema.BlueGreen {
		return blueGreenText(w, n)
	}
	if w.Kind == schema.Stateful {
		down := max(w.Update.MaxUnavailable.Floor(n), 1)
		if w.Quorum > 0 {
			down = min(down, n-w.Quorum)
		}
		return fmt.Sprintf("rolling: each in place, the highest slot first, %d at a time, healthy for %s", down, w.Update.MinHealthyTime)
	}
	surge, down := w.Update.MaxSurge.Of(n), w.Update.MaxUnavailable.Floor(n)
	if surge == 0 && down == 0 {
		surge = 1
	}
	text := fmt.Sprintf("up to %d beside the old ones, %d unavailable, each healthy for %s", surge, down, w.Update.MinHealthyTime)
	if w.Update.Strategy == schema.Canary {
		return "canary: " + canaryText(w, n) + "; " + text + peakText(w, n+surge) + portText(w)
	}
	return "rolling: " + text + peakText(w, n+surge) + portText(w)
}

// orderedText names the turns and the steps of an ordered update.
func orderedText(w *schema.Workload, slots int) string {
	text := "ordered: each in place, the highest slot first, healthy for " + w.Update.MinHealthyTime.String()
	b := w.Update.Runbook
	if b == nil {
		return text
	}
	parts := []string{text}
	add := func(where string, list []schema.Step) {
		if len(list) > 0 {
			parts = append(parts, where+": "+stepNames(list))
		}
	}
	add("first", b.First)
	for _, p := range w.Update.Turns(slots) {
		if p.Name != "" {
			parts = append(parts, fmt.Sprintf("phase %s, slots %s", p.Name, strings.Trim(fmt.Sprint(p.Slots), "[]")))
		}
		add("before each", p.Before)
		add("after each", p.After)
	}
	add("last", b.Last)
	return strings.Join(parts, "; ")
}

// stepNames are a list's, one after the other; what goes together is joined by +.
func stepNames(list []schema.Step) string {
	text := ""
	for i := range list {
		switch {
		case i > 0 && list[i].Together:
			text += " + "
		case i > 0:
			text += ", "
		}
		text += list[i].Name
	}
	return text
}

// place is one slot's node and ports.
type place struct {
	node   string
	ports  map[string]int
	digest schema.Digest
	id     string
}

// placesOf are the wanted instances by workload and slot.
func placesOf(f *reconciler.Facts) map[string]map[schema.Slot]place {
	all := map[string]map[schema.Slot]place{}
	for i := range f.Nodes {
		for j := range f.Nodes[i].Assignment.Orders {
			o := &f.Nodes[i].Assignment.Orders[j]
			if o.Stop || o.Step != nil {
				continue
			}
			if all[o.Slot.Workload] == nil {
				all[o.Slot.Workload] = map[schema.Slot]place{}
			}
			all[o.Slot.Workload][o.Slot] = place{f.Nodes[i].Name, o.Ports, o.Digest, o.ID}
		}
	}
	return all
}

func names(a, b *reconciler.Facts) []string {
	set := map[string]bool{}
	for _, f := range []*reconciler.Facts{a, b} {
		for i := range f.Spec.Workloads {
			set[f.Spec.Workloads[i].Name] = true
		}
		for i := range f.Rollouts {
			set[f.Rollouts[i].Workload] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// slotChanges are the slots that are, were or will be, sorted.
func slotChanges(was, is map[schema.Slot]place, f *reconciler.Forecast) (all []PreviewSlot) {
	set := map[schema.Slot]bool{}
	for s := range was {
		set[s] = true
	}
	for s := range is {
		set[s] = true
	}
	for _, s := range slices.SortedFunc(maps.Keys(set), schema.Slot.Compare) {
		c := PreviewSlot{Slot: s.String(), From: was[s].node, To: is[s].node, Effect: effect(was[s], is[s]), Ports: is[s].ports}
		if score, ok := f.Scores[s]; ok && is[s].digest != was[s].digest || is[s].node != was[s].node {
			c.Score = score.Total()
		}
		all = append(all, c)
	}
	return all
}

// effect is what becomes of a slot's container.
func effect(was, is place) string {
	switch {
	case was.node == "":
		return "new"
	case is.node == "":
		return "stop"
	case was.node != is.node:
		return "move"
	case was.id != is.id || !maps.Equal(was.ports, is.ports):
		return "restart"
	}
	return ""
}

func moves(slots []PreviewSlot) bool {
	return slices.ContainsFunc(slots, func(s PreviewSlot) bool { return s.From != s.To })
}

func unplacedOf(b *reconciler.Blocked) PreviewUnplaced {
	u := PreviewUnplaced{Slot: b.Slot.String(), Text: b.Text, Why: []string{}}
	for _, r := range b.Why.Refusals {
		u.Why = append(u.Why, fmt.Sprintf("%d refused by %s: %s", r.Nodes, r.Filter, r.Nearest))
	}
	return u
}
