package nodes

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Change is what differs between two Reports of one node, so that an agent
// sends a full Report once and little after it. It is only meaningful to who
// holds the Report that it was made from; [Report.Sum] tells whether both
// sides still do.
type Change struct {
	// Node is the node as it describes itself now; nil where that is as before.
	Node *Node `json:"node,omitempty"`
	// Instances are new or differ, whole, sorted by ID.
	Instances []Instance `json:"instances,omitempty"`
	// Gone are the IDs that the Report no longer has, sorted.
	Gone []string `json:"gone,omitempty"`
	// Deleted is the newer Report's, where it differs; Undeleted is whether that
	// has none any more.
	Deleted   []Deleted `json:"deleted,omitempty"`
	Undeleted bool      `json:"undeleted,omitempty"`
	// Endings and Unended are the like.
	Endings []Ending `json:"endings,omitempty"`
	Unended bool     `json:"unended,omitempty"`
	// Seen, Now and Inventory are the newer Report's.
	Seen      Version   `json:"seen"`
	Now       time.Time `json:"now"`
	Inventory bool      `json:"inventory"`
}

// Diff is the Change that leads from old to new: old.Apply(Diff(old, new)) is
// new. It shares memory with new.
func Diff(old, new Report) Change {
	c := Change{Seen: new.Seen, Now: new.Now, Inventory: new.Inventory}
	if !old.Node.Equal(&new.Node) {
		c.Node = &new.Node
	}
	if !slices.EqualFunc(old.Deleted, new.Deleted, Deleted.equal) {
		c.Deleted, c.Undeleted = new.Deleted, len(new.Deleted) == 0
	}
	if !slices.EqualFunc(old.Endings, new.Endings, Ending.equal) {
		c.Endings, c.Unended = new.Endings, len(new.Endings) == 0
	}
	was := old.Instances
	for k := range new.Instances {
		now := &new.Instances[k]
		for len(was) > 0 && was[0].ID < now.ID {
			c.Gone = append(c.Gone, was[0].ID)
			was = was[1:]
		}
		if len(was) == 0 || was[0].ID != now.ID {
			c.Instances = append(c.Instances, *now)
			continue
		}
		if !sameInstance(&was[0], now) {
			c.Instances = append(c.Instances, *now)
		}
		was = was[1:]
	}
	for k := range was {
		c.Gone = append(c.Gone, was[k].ID)
	}
	return c
}

// Alters is whether the Change, applied to r, would make more of it than a
// newer Now.
func (c *Change) Alters(r *Report) bool {
	return c.Node != nil || c.Undeleted || len(c.Deleted) > 0 || len(c.Instances) > 0 || len(c.Gone) > 0 ||
		c.Unended || len(c.Endings) > 0 ||
		c.Seen != r.Seen || c.Inventory != r.Inventory
}

// Apply is r with the Change made. r itself stays as it is; what did not change
// is shared with it.
func (r Report) Apply(c Change) Report {
	if c.Node != nil {
		r.Node = *c.Node
	}
	r.Seen, r.Now, r.Inventory = c.Seen, c.Now, c.Inventory
	if c.Undeleted || len(c.Deleted) > 0 {
		r.Deleted = c.Deleted
	}
	if c.Unended || len(c.Endings) > 0 {
		r.Endings = c.Endings
	}
	if len(c.Instances) > 0 || len(c.Gone) > 0 {
		r.Instances = merge(r.Instances, c.Instances, c.Gone)
	}
	return r
}

// merge is old without gone and with changed in place of its namesakes. All
// three are sorted, and so is what it returns.
func merge(old, changed []Instance, gone []string) []Instance {
	out := make([]Instance, 0, len(old)+len(changed))
	for k := range old {
		id := old[k].ID
		for len(changed) > 0 && changed[0].ID < id {
			out, changed = append(out, changed[0]), changed[1:]
		}
		if len(changed) > 0 && changed[0].ID == id {
			continue
		}
		if _, is := slices.BinarySearchFunc(gone, id, strings.Compare); !is {
			out = append(out, old[k])
		}
	}
	return append(out, changed...)
}

func sameInstance(a, b *Instance) bool {
	return a.ID == b.ID && a.Slot == b.Slot && a.Digest == b.Digest && a.Phase == b.Phase && a.Health == b.Health &&
		a.Container == b.Container && maps.Equal(a.Ports, b.Ports) && sameTime(a.Since, b.Since) &&
		sameTime(a.Started, b.Started) && a.Restarts == b.Restarts && sameFailure(a.Failure, b.Failure) &&
		a.Outcome.Equal(b.Outcome) && SameFetched(a.Fetched, b.Fetched)
}

// SameFetched is whether two say the same of how far something is.
func SameFetched(a, b *Fetched) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func sameFailure(a, b *Failure) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Code == b.Code && a.Text == b.Text && a.ExitCode == b.ExitCode && sameTime(a.At, b.At) &&
		a.Count == b.Count && a.Port == b.Port && a.Part == b.Part && a.Log == b.Log
}

// sameTime is whether both are written alike: the instant and the offset.
func sameTime(a, b time.Time) bool {
	_, ao := a.Zone()
	_, bo := b.Zone()
	return a.Equal(b) && ao == bo
}
