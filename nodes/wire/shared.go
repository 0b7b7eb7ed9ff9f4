package wire

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/wire/wirepb"
	"github.com/bayplan/bayplan/schema"
)

// maxWhole bounds an Assignment with each workload's text written out at every
// order, in messages: so large is the file that the agent keeps it in.
const maxWhole = 4

// share writes an Assignment with each workload's text once. It refuses one that
// would have more than limit bytes written out.
func share(a *nodes.Assignment, limit int) (*wirepb.SharedAssignment, error) {
	t := texts{byPointer: map[*schema.Workload]uint32{}, byText: map[string]uint32{}}
	m := &wirepb.SharedAssignment{Uses: make([]uint32, len(a.Orders))}
	bare := *a
	bare.Orders = slices.Clone(a.Orders)
	whole := 0
	for k := range bare.Orders {
		o := &bare.Orders[k]
		use, err := t.use(o.Workload)
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", o.ID, err)
		}
		if m.Uses[k] = use; use > 0 {
			whole += len(t.all[use-1])
		}
		o.Workload = nil
	}
	b, err := json.Marshal(&bare)
	if whole += len(b); err == nil && whole > limit {
		err = fmt.Errorf("the Assignment has %d bytes, over the limit of %d", whole, limit)
	}
	m.Assignment, m.Workloads = b, t.all
	return m, err
}

// texts are distinct workloads, each written once.
type texts struct {
	all       [][]byte
	byPointer map[*schema.Workload]uint32
	byText    map[string]uint32
}

// use is the workload's place in all, counted from 1; 0 is none.
func (t *texts) use(w *schema.Workload) (uint32, error) {
	if w == nil {
		return 0, nil
	}
	if at, known := t.byPointer[w]; known {
		return at, nil
	}
	b, err := json.Marshal(w)
	if err != nil {
		return 0, err
	}
	at, known := t.byText[string(b)]
	if !known {
		t.all = append(t.all, b)
		at = uint32(len(t.all))
		t.byText[string(b)] = at
	}
	t.byPointer[w] = at
	return at, nil
}

// decodeShared is as strict as decodeAssignment. Orders that use one text share
// one Workload.
func decodeShared(m *wirepb.SharedAssignment, node string) (nodes.Assignment, error) {
	var a nodes.Assignment
	if err := decodeStrict(m.Assignment, &a); err != nil {
		return a, unknownToUs(err)
	}
	if len(m.Uses) != len(a.Orders) {
		return a, fmt.Errorf("assignment: %d orders use %d workloads", len(a.Orders), len(m.Uses))
	}
	all := make([]*schema.Workload, len(m.Workloads))
	for k, b := range m.Workloads {
		all[k] = new(schema.Workload)
		if err := decodeStrict(b, all[k]); err != nil {
			return a, unknownToUs(err)
		}
	}
	for k, use := range m.Uses {
		o := &a.Orders[k]
		switch {
		case o.Workload != nil || int(use) > len(all):
			return a, fmt.Errorf("assignment: order %q has no one workload", o.ID)
		case use > 0:
			o.Workload = all[use-1]
		}
	}
	return a, checkAssignment(&a, node)
}
