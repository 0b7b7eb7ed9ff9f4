package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// decoder builds Facts out of stored values.
type decoder struct {
	values map[string][]byte
	ix     *index
	texts  map[string]*schema.Workload
	facts  reconciler.Facts
}

func (s *stored) decode() (reconciler.Facts, *index, error) {
	d := &decoder{values: s.values, texts: map[string]*schema.Workload{},
		ix: &index{keys: map[string][]string{}, uses: map[string]int{}, parts: s.parts}}
	if _, ok := s.values[headKey]; !ok {
		return d.facts, d.ix, d.empty()
	}
	for _, part := range []func() error{d.head, d.lists, d.spec, d.rollouts, d.jobs, d.ends, d.nodes} {
		if err := part(); err != nil {
			return reconciler.Facts{}, nil, err
		}
	}
	return d.facts, d.ix, nil
}

// empty checks that where there is no head there is nothing.
func (d *decoder) empty() error {
	for _, key := range sortedKeys(d.values) {
		if !strings.HasPrefix(key, journalKey) {
			return fmt.Errorf("%w: %s stands without %s", ErrCorrupt, key, headKey)
		}
	}
	return nil
}

func (d *decoder) read(key string, v any) error {
	b, ok := d.values[key]
	if !ok {
		return fmt.Errorf("%w: %s is missing", ErrCorrupt, key)
	}
	d.ix.keys[key] = nil
	return unpack(key, b, v)
}

// under are the keys that begin with prefix, sorted.
func (d *decoder) under(prefix string) []string {
	var keys []string
	for k := range d.values {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// text is the workload of a hash, one for all that name it.
func (d *decoder) text(hash string) (*schema.Workload, error) {
	if hash == "" {
		return nil, nil
	}
	if w, ok := d.texts[hash]; ok {
		return w, nil
	}
	b, ok := d.values[textKey+hash]
	if !ok {
		return nil, fmt.Errorf("%w: %s%s is missing", ErrCorrupt, textKey, hash)
	}
	w := new(schema.Workload)
	if err := unpack(textKey+hash, b, w); err != nil {
		return nil, err
	}
	d.texts[hash] = w
	return w, nil
}

// refers notes which texts a key names.
func (d *decoder) refers(key string, refs []string) {
	slices.Sort(refs)
	refs = slices.Compact(refs)
	d.ix.keys[key] = refs
	for _, h := range refs {
		d.ix.uses[h]++
	}
}

func (d *decoder) head() error {
	var head headDoc
	if err := d.read(headKey, &head); err != nil {
		return err
	}
	if head.Format > format {
		return fmt.Errorf("%w: format %d, this one reads up to %d; start the newer version again", ErrNewer, head.Format, format)
	}
	if head.Format < 1 {
		return fmt.Errorf("%w: %s has no format", ErrCorrupt, headKey)
	}
	d.facts = head.Rest
	d.facts.Commits = make([]reconciler.Commit, len(head.Commits))
	for i, key := range head.Commits {
		if err := d.read(commitKey+key, &d.facts.Commits[i]); err != nil {
			return err
		}
	}
	return nil
}

// lists are the short ones that are stored whole.
func (d *decoder) lists() error {
	return errors.Join(
		d.readIfThere(approvalsKey, &d.facts.Approvals),
		d.readIfThere(plansKey, &d.facts.Plans),
		d.readIfThere(enrolmentsKey, &d.facts.Enrolments),
		d.readIfThere(volumesKey, &d.facts.Volumes))
}

func (d *decoder) readIfThere(key string, v any) error {
	if _, ok := d.values[key]; !ok {
		return nil
	}
	return d.read(key, v)
}

func (d *decoder) spec() error {
	for _, key := range d.under(specKey) {
		var doc teamDoc
		if err := d.read(key, &doc); err != nil {
			return err
		}
		for _, hash := range doc.Workloads {
			w, err := d.text(hash)
			if err != nil {
				return err
			}
			if w == nil {
				return fmt.Errorf("%w: %s names no text", ErrCorrupt, key)
			}
			d.facts.Spec.Workloads = append(d.facts.Spec.Workloads, *w)
		}
		d.refers(key, doc.Workloads)
	}
	slices.SortFunc(d.facts.Spec.Workloads, func(a, b schema.Workload) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (d *decoder) rollouts() (err error) {
	for _, key := range d.under(rolloutKey) {
		var doc rolloutDoc
		if err := d.read(key, &doc); err != nil {
			return err
		}
		if doc.Rollout.Want, err = d.text(doc.Want); err != nil {
			return err
		}
		if doc.Rollout.Good, err = d.text(doc.Good); err != nil {
			return err
		}
		if doc.Rollout.Before, err = d.text(doc.Before); err != nil {
			return err
		}
		d.facts.Rollouts = append(d.facts.Rollouts, doc.Rollout)
		d.refers(key, slices.Concat(hashes(doc.Want), hashes(doc.Good), hashes(doc.Before)))
	}
	return nil
}

func (d *decoder) jobs() error {
	for _, key := range d.under(jobKey) {
		var doc jobDoc
		if err := d.read(key, &doc); err != nil {
			return err
		}
		fact := doc.JobFact
		fact.Runs = make([]reconciler.Run, len(doc.Runs))
		var refs []string
		for i := range doc.Runs {
			w, err := d.text(doc.Runs[i].Work)
			if err != nil {
				return err
			}
			fact.Runs[i], fact.Runs[i].Work = doc.Runs[i].Run, w
			refs = append(refs, hashes(doc.Runs[i].Work)...)
		}
		d.facts.Jobs = append(d.facts.Jobs, fact)
		d.refers(key, refs)
	}
	return nil
}

func (d *decoder) nodes() error {
	for _, key := range d.under(nodeKey) {
		var doc nodeDoc
		if err := d.read(key, &doc); err != nil {
			return err
		}
		fact := doc.NodeFact
		fact.Name = strings.TrimPrefix(key, nodeKey)
		if err := d.assignment(assignmentKey+fact.Name, &fact.Assignment); err != nil {
			return err
		}
		d.facts.Nodes = append(d.facts.Nodes, fact)
	}
	return nil
}

func (d *decoder) assignment(key string, a *nodes.Assignment) error {
	var doc assignmentDoc
	if err := d.read(key, &doc); err != nil {
		return err
	}
	*a = doc.Assignment
	a.Orders = make([]nodes.Order, len(doc.Orders))
	refs := make([]string, 0, len(doc.Orders))
	for i, o := range doc.Orders {
		w, err := d.text(o.Workload)
		if err != nil {
			return err
		}
		a.Orders[i] = o.Order
		a.Orders[i].Workload = w
		refs = append(refs, hashes(o.Workload)...)
	}
	d.refers(key, refs)
	return nil
}

func (d *decoder) ends() error {
	for _, key := range d.under(endsKey) {
		var ends reconciler.Ends
		if err := d.read(key, &ends); err != nil {
			return err
		}
		d.facts.Ends = append(d.facts.Ends, ends)
	}
	return nil
}
