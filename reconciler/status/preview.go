package status

import (
	"slices"

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
	// Cluster is what differs of the operators' part, by path: pools, registries, owners
	// and gates.
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
	// Pinned is whether a commit that nobody approved the plan of would be held: the
	// text in force says so (cluster: gates: pinPlans).
	Pinned bool `json:"pinned,omitempty"`
	// Outline is what an approval of the plan is about, where that is asked for.
	Outline reconciler.Outline `json:"-"`
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
	// Text is the answer in one sentence; Lines are its reasons, of many nodes the
	// nearest ones of each cause.
	Text  string   `json:"text"`
	Lines []string `json:"lines"`
	// Nodes are what all nodes would say to the slot now, sorted by name; of a
	// slot that nobody wants, none.
	Nodes []NodeAnswer `json:"nodes"`
	Next  string       `json:"next,omitempty"`
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
		if c.Action == "" && !moved(was[name], is[name]) {
			continue // as nearly all are
		}
		if new != nil && new.Kind.Runs() && c.Action != "" {
			c.Strategy = runText(before, new)
		}
		c.Slots = slotChanges(was[name], is[name], f)
		c.tellVolumes(old, new)
		c.tellHold(&f.Facts)
		waits := c.warn(new, unresolved) && len(c.Fields) == 0 && old != nil
		if !waits {
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
	if schema.SameText(old, new) {
		return
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
