package ledger

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// spec writes the teams whose workloads differ.
func (d *delta) spec(before, after *reconciler.Facts) error {
	if sameSlice(before.Spec.Workloads, after.Spec.Workloads) {
		return nil
	}
	name := func(w *schema.Workload) string { return w.Name }
	if i := unsorted(after.Spec.Workloads, name); i > 0 {
		return join(nil, after.Spec.Workloads, name, nil) // its error
	}
	return diff(d, section[namedTeam]{
		prefix: specKey,
		name:   func(t *namedTeam) string { return t.name },
		same:   deepEqual[namedTeam],
		doc:    d.teamDoc,
	}, byTeam(before.Spec.Workloads), byTeam(after.Spec.Workloads))
}

func (d *delta) teamDoc(t *namedTeam) (any, []string, error) {
	doc := teamDoc{Workloads: make([]string, len(t.workloads))}
	for i, w := range t.workloads {
		h, err := d.text(w)
		if err != nil {
			return nil, nil, err
		}
		doc.Workloads[i] = h
	}
	return doc, slices.Clone(doc.Workloads), nil
}

func (d *delta) rollouts(before, after *reconciler.Facts) error {
	return diff(d, section[reconciler.Rollout]{
		prefix: rolloutKey,
		name:   func(r *reconciler.Rollout) string { return r.Workload },
		same:   deepEqual[reconciler.Rollout],
		doc:    d.rolloutDoc,
	}, before.Rollouts, after.Rollouts)
}

func (d *delta) rolloutDoc(r *reconciler.Rollout) (any, []string, error) {
	want, err := d.text(r.Want)
	if err != nil {
		return nil, nil, err
	}
	good, err := d.text(r.Good)
	if err != nil {
		return nil, nil, err
	}
	before, err := d.text(r.Before)
	if err != nil {
		return nil, nil, err
	}
	return rolloutDoc{*r, want, good, before}, slices.Concat(hashes(want), hashes(good), hashes(before)), nil
}

func (d *delta) jobs(before, after *reconciler.Facts) error {
	if sameSlice(before.Jobs, after.Jobs) {
		return nil
	}
	return diff(d, section[reconciler.JobFact]{
		prefix: jobKey,
		name:   func(j *reconciler.JobFact) string { return j.Workload },
		same:   deepEqual[reconciler.JobFact],
		doc:    d.jobDoc,
	}, before.Jobs, after.Jobs)
}

func (d *delta) jobDoc(j *reconciler.JobFact) (any, []string, error) {
	doc := jobDoc{*j, make([]runDoc, len(j.Runs))}
	var refs []string
	for i := range j.Runs {
		h, err := d.text(j.Runs[i].Work)
		if err != nil {
			return nil, nil, err
		}
		doc.Runs[i] = runDoc{j.Runs[i], h}
		refs = append(refs, hashes(h)...)
	}
	return doc, refs, nil
}

// commits writes the outcomes that changed; their order stands in the head.
func (d *delta) commits(before, after *reconciler.Facts) error {
	if sameSlice(before.Commits, after.Commits) {
		return nil
	}
	return diff(d, section[namedCommit]{
		prefix: commitKey,
		name:   func(c *namedCommit) string { return c.key },
		same:   deepEqual[namedCommit],
		doc:    func(c *namedCommit) (any, []string, error) { return c.commit, nil, nil },
	}, sortedCommits(before), sortedCommits(after))
}

func sortedCommits(f *reconciler.Facts) []namedCommit {
	named := byKey(f.Commits)
	slices.SortFunc(named, func(a, b namedCommit) int { return cmp.Compare(a.key, b.key) })
	return named
}

// once writes the documents that are there once: the head and the short lists.
func (d *delta) once(before, after *reconciler.Facts) error {
	if err := d.single(headKey, headOf(before), headOf(after)); err != nil {
		return err
	}
	for _, list := range []struct {
		key           string
		any           bool
		before, after any
	}{
		{approvalsKey, len(before.Approvals)+len(after.Approvals) > 0, before.Approvals, after.Approvals},
		{plansKey, len(before.Plans)+len(after.Plans) > 0, before.Plans, after.Plans},
		{enrolmentsKey, len(before.Enrolments)+len(after.Enrolments) > 0, before.Enrolments, after.Enrolments},
		{volumesKey, len(before.Volumes)+len(after.Volumes) > 0, before.Volumes, after.Volumes},
	} {
		if !list.any {
			continue
		}
		if err := d.single(list.key, list.before, list.after); err != nil {
			return err
		}
	}
	return nil
}

func (d *delta) single(key string, before, after any) error {
	known := d.ix.has(key)
	if known && reflect.DeepEqual(before, after) {
		return nil
	}
	return d.change(key, known,
		func() (any, []string, error) { return before, nil, nil },
		func() (any, []string, error) { return after, nil, nil })
}

func (d *delta) nodes(before, after *reconciler.Facts) error {
	return diff(d, section[reconciler.NodeFact]{
		prefix: nodeKey,
		name:   nodeName,
		same:   sameNode,
		doc:    func(n *reconciler.NodeFact) (any, []string, error) { return nodeDoc{NodeFact: *n}, nil, nil },
	}, before.Nodes, after.Nodes)
}

func (d *delta) assignments(before, after *reconciler.Facts) error {
	return diff(d, section[reconciler.NodeFact]{
		prefix: assignmentKey,
		name:   nodeName,
		same:   func(a, b *reconciler.NodeFact) bool { return sameAssignment(&a.Assignment, &b.Assignment) },
		doc:    func(n *reconciler.NodeFact) (any, []string, error) { return d.assignmentDoc(&n.Assignment) },
	}, before.Nodes, after.Nodes)
}

func nodeName(n *reconciler.NodeFact) string { return n.Name }

func (d *delta) assignmentDoc(a *nodes.Assignment) (any, []string, error) {
	doc := assignmentDoc{*a, make([]orderDoc, len(a.Orders))}
	refs := make([]string, 0, len(a.Orders))
	for i := range a.Orders {
		h, err := d.text(a.Orders[i].Workload)
		if err != nil {
			return nil, nil, err
		}
		doc.Orders[i] = orderDoc{a.Orders[i], h}
		refs = append(refs, hashes(h)...)
	}
	return doc, refs, nil
}

// hashes is the list of one, or of none.
func hashes(h string) []string {
	if h == "" {
		return nil
	}
	return []string{h}
}

// ends writes the histories of the workloads whose rollouts ended.
func (d *delta) ends(before, after *reconciler.Facts) error {
	return diff(d, section[reconciler.Ends]{
		prefix: endsKey,
		name:   func(e *reconciler.Ends) string { return e.Workload },
		same:   func(a, b *reconciler.Ends) bool { return a.Workload == b.Workload && sameSlice(a.List, b.List) },
		doc:    func(e *reconciler.Ends) (any, []string, error) { return e, nil, nil },
	}, before.Ends, after.Ends)
}
