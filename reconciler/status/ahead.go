package status

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// Question is what a plan is asked: what a text would change.
type Question struct {
	// Base is the text to compare with, as if it had been carried out in full; nil
	// is the cluster as it is.
	Base *schema.Spec
	Head schema.Spec
	// Repo is the repository that both are of; "" is the operators'.
	Repo string
	// Unresolved has images in the place of workloads.
	Unresolved []reconciler.Unresolved
}

// Plan answers it by the decision that the server takes, played forward on the
// state that in holds; in.Desired does not matter. Texts are pinned before.
func Plan(in reconciler.Input, q Question) Preview {
	state, pinned := StateOf(&in), in.Facts.Spec.Gates.PinPlans
	q.standing(&in)
	var waited []reconciler.Blocked
	if q.Base != nil {
		q.put(&in, preview(*q.Base, "base-"))
		f := reconciler.Foresee(in)
		in.Facts, waited = f.Facts, f.Blocked
		in.Observed = reconciler.Ideal(&in.Facts, in.Observed, in.Now)
	}
	before := in.Facts
	q.put(&in, preview(q.Head, ""))
	f := reconciler.Foresee(in)
	p := PreviewOf(&before, &f, q.Unresolved)
	p.Commit, p.State, p.Against = q.Head.Revision.Commit, state, before.InForce(q.Repo)
	if q.Base != nil {
		p.Mode, p.Against = OnBase, q.Base.Revision.Commit
		p.forgive(waited)
	}
	if p.Pinned = pinned; pinned {
		p.Outline = outlineOf(&before.Spec, &f.Facts.Spec, &p)
	}
	return p
}

// standing leaves of what the other repositories ask for what is in force: all else
// is not this one's doing.
func (q *Question) standing(in *reconciler.Input) {
	asks := in.Asks()
	in.Others = nil
	for _, a := range asks {
		if a.Desired.Hash != in.Facts.TakenIn(a.Repo) || a.Repo == q.Repo {
			a.Desired = schema.Spec{}
		}
		in.Put(reconciler.Ask{Repo: a.Repo, Desired: a.Desired})
	}
}

// put has the repository that is asked about ask for a text.
func (q *Question) put(in *reconciler.Input, text schema.Spec) {
	a := reconciler.Ask{Repo: q.Repo, Desired: text, Unresolved: q.Unresolved}
	at := slices.IndexFunc(in.Others, func(b reconciler.Ask) bool { return b.Repo == q.Repo })
	if at < 0 {
		in.Put(a)
		return
	}
	in.Others = slices.Clone(in.Others)
	in.Others[at] = a
}

// forgive takes out what finds no place in the base either, and does not change: it
// is not the head's doing.
func (p *Preview) forgive(waited []reconciler.Blocked) {
	n := len(p.Unplaced)
	p.Unplaced = slices.DeleteFunc(p.Unplaced, func(u PreviewUnplaced) bool {
		at := slices.IndexFunc(waited, func(b reconciler.Blocked) bool { return b.Why != nil && b.Slot.String() == u.Slot })
		return at >= 0 && !slices.ContainsFunc(p.Changes, func(c PreviewChange) bool { return c.Workload == waited[at].Workload && c.Action != "" })
	})
	if n -= len(p.Unplaced); n > 0 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("slots that find no place in the base either: %d", n))
	}
}

// preview is the text under a commit that never equals one that a cluster knows:
// no approval of it is spent. The commit seals it, too, since the hash of a text is
// of its commit as well, and equals no other.
func preview(s schema.Spec, as string) schema.Spec {
	s.Revision.Commit = "preview-" + as + s.Revision.Commit
	s.Hash = s.Revision.Commit
	return s
}

// StateOf names what a plan is decided on: equal states give equal plans. It is
// the beginning of a hash over the text in force, the nodes and whether they are
// heard, the orders, and what operators said.
func StateOf(in *reconciler.Input) string {
	type order struct {
		ID   string
		Stop bool
	}
	type node struct {
		Node   nodes.Node
		Heard  bool
		Orders []order
	}
	type rollout struct {
		Workload string
		Stage    reconciler.Stage
		Target   schema.Digest
		Good     schema.Digest
		Paused   bool
	}
	f := &in.Facts
	var all struct {
		Spec     string
		Nodes    []node
		Rollouts []rollout
		Cordons  []reconciler.Cordon
		Holds    []reconciler.Hold
		Volumes  []reconciler.VolumeFact
	}
	all.Spec = f.Accepted
	for _, r := range f.Repos {
		all.Spec += " " + r.Accepted
	}
	all.Cordons, all.Holds, all.Volumes = f.Cordons, f.Holds, f.Volumes
	for i := range f.Nodes {
		n := node{Node: f.Nodes[i].Node, Heard: heard(in, f.Nodes[i].Name)}
		for j := range f.Nodes[i].Assignment.Orders {
			o := &f.Nodes[i].Assignment.Orders[j]
			n.Orders = append(n.Orders, order{o.ID, o.Stop})
		}
		all.Nodes = append(all.Nodes, n)
	}
	for i := range f.Rollouts {
		r := &f.Rollouts[i]
		all.Rollouts = append(all.Rollouts, rollout{r.Workload, r.Stage, r.Target, r.GoodDigest, r.Paused != nil})
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic("status: a state is always JSON: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

func heard(in *reconciler.Input, name string) bool {
	n := in.Observed.Node(name)
	return n != nil && in.Now.Sub(n.At) < reconciler.UnreachableAfter
}

// Recording is a cluster's state as a plan needs it, to be asked without a server:
// what `bayplan snapshot` writes. It holds the workloads' whole texts.
type Recording struct {
	Schema  string `json:"schema"`
	Cluster string `json:"cluster"`
	// State is what StateOf says of it.
	State   string           `json:"state"`
	At      time.Time        `json:"at"`
	Started time.Time        `json:"started"`
	Epoch   int64            `json:"epoch"`
	Facts   reconciler.Facts `json:"facts"`
	Nodes   []RecordedNode   `json:"nodes"`
}

// RecordedNode is a node as it was heard.
type RecordedNode struct {
	Report nodes.Report `json:"report"`
	At     time.Time    `json:"at"`
}

// Record makes one of what a pass is given. Who joined and what became of former
// commits is left out: no plan needs it.
func Record(cluster string, in reconciler.Input) Recording {
	r := Recording{Schema: Schema, Cluster: cluster, State: StateOf(&in), At: in.Now, Started: in.Started, Epoch: in.Epoch, Facts: in.Facts, Nodes: []RecordedNode{}}
	r.Facts.Enrolments, r.Facts.Ends = nil, nil
	r.Facts.Commits = nil
	for i := range in.Facts.Commits {
		if c := &in.Facts.Commits[i]; c == in.Facts.LastCommit(c.Repo) {
			r.Facts.Commits = append(r.Facts.Commits, *c)
		}
	}
	for i := range in.Observed.Nodes {
		n := &in.Observed.Nodes[i]
		r.Nodes = append(r.Nodes, RecordedNode{n.Report, n.At})
	}
	return r
}

// Input is what a pass is given, as it was recorded.
func (r *Recording) Input() reconciler.Input {
	in := reconciler.Input{Facts: r.Facts, Now: r.At, Started: r.Started, Epoch: r.Epoch}
	for _, repo := range r.Facts.Repos {
		in.Put(reconciler.Ask{Repo: repo.Name})
	}
	for _, n := range r.Nodes {
		in.Observed.Nodes = append(in.Observed.Nodes, nodes.Seen{Report: n.Report, At: n.At})
	}
	return in
}
