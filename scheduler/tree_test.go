package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// TestHome_Claims: a node belongs to the innermost pool that claims it, by its
// selector or by the name that the node gives, and a second one that claims it is
// told.
func TestHome_Claims(t *testing.T) {
	zone := func(value string) []schema.Constraint {
		return []schema.Constraint{{Attribute: "zone", Op: "=", Value: value}}
	}
	tree := scheduler.Tree{
		{Name: "a"}, {Name: "b", Nodes: zone("b")}, {Name: "c", Nodes: []schema.Constraint{{Attribute: "disk", Op: "exists"}}},
		{Name: "default"}, {Name: "part", Parent: "b"}, {Name: "small", Parent: "c", Nodes: []schema.Constraint{{Attribute: "disk", Op: "=", Value: "1"}}},
	}
	for _, c := range []struct {
		attributes map[string]string
		want       string
	}{
		{nil, "default "},
		{map[string]string{"pool": "a"}, "a "},
		{map[string]string{"pool": "other"}, "other "},
		{map[string]string{"zone": "b"}, "b "},
		{map[string]string{"zone": "b", "pool": "b"}, "b "},
		{map[string]string{"zone": "b", "pool": "other"}, "b "},
		{map[string]string{"zone": "b", "pool": "a"}, "b a"},
		{map[string]string{"zone": "b", "pool": "part"}, "part "},
		{map[string]string{"disk": "1", "pool": "c"}, "small "},
		{map[string]string{"disk": "1", "pool": "part"}, "small part"},
		{map[string]string{"zone": "b", "disk": "2"}, "b c"},
		{map[string]string{"zone": "b", "disk": "2", "pool": "a"}, "b c"},
	} {
		n := node("n1")
		n.Node.Attributes = c.attributes
		h := tree.Home(n.Node, nil)
		if got := fmt.Sprintf("%s %s", h.Pool, h.Rival); got != c.want {
			t.Errorf("%v: %q, want %q", c.attributes, got, c.want)
		}
	}
}
