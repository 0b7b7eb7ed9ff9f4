package status

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// FieldChange is one field that differs; an absent value is "". What looks like a
// secret is hidden.
type FieldChange struct {
	Path string `json:"path"`
	From string `json:"from"`
	To   string `json:"to"`
	// At is where the new value stands, or the old one where there is no new one,
	// as "file:line"; empty where nobody could tell.
	At string `json:"at,omitempty"`
}

// Leaves are a value's fields by path, as plans and blame name them:
// "ports.http.container", "args[0]". What looks like a secret is hidden.
func Leaves(v any) map[string]string {
	all := map[string]string{}
	flatten("", treeOf(v), all)
	for path, value := range all {
		all[path] = hide(path, value)
	}
	return all
}

// fieldChanges are the leaves of the two values that differ, sorted by path.
func fieldChanges(old, new any) (all []FieldChange) {
	for _, c := range rawChanges(old, new) {
		all = append(all, hidden(c))
	}
	return all
}

// rawChanges are fieldChanges with nothing hidden, which must not be told.
func rawChanges(old, new any) (all []FieldChange) {
	a, b := map[string]string{}, map[string]string{}
	flatten("", treeOf(old), a)
	flatten("", treeOf(new), b)
	set := maps.Clone(a)
	maps.Copy(set, b)
	for _, path := range slices.Sorted(maps.Keys(set)) {
		if a[path] != b[path] {
			all = append(all, FieldChange{Path: path, From: a[path], To: b[path]})
		}
	}
	return all
}

func treeOf(v any) (tree any) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &tree)
	}
	if err != nil {
		panic("status: desired state is always JSON: " + err.Error())
	}
	return tree
}

func flatten(path string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			flatten(strings.TrimPrefix(path+"."+k, "."), x, into)
		}
	case []any:
		for i, x := range v {
			flatten(fmt.Sprintf("%s[%d]", path, i), x, into)
		}
	default:
		into[path] = fmt.Sprint(v)
	}
}

// DiffOf is what differs between two texts, without a cluster and so without
// places: the answer of `bayplan diff`.
type DiffOf struct {
	Schema string `json:"schema"`
	// Base and Head are the commits.
	Base string `json:"base"`
	Head string `json:"head"`
	// Cluster is what differs of the operators' part.
	Cluster []FieldChange `json:"cluster,omitempty"`
	// Changes are sorted by workload.
	Changes []PreviewChange `json:"changes"`
}

// Diff compares two texts field by field.
func Diff(base, head *schema.Spec) DiffOf {
	d := DiffOf{Schema: Schema, Base: base.Revision.Commit, Head: head.Revision.Commit, Changes: []PreviewChange{}, Cluster: clusterChanges(base, head)}
	set := map[string]bool{}
	for _, s := range []*schema.Spec{base, head} {
		for i := range s.Workloads {
			set[s.Workloads[i].Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		c := PreviewChange{Workload: name}
		if c.fill(base.Workload(name), head.Workload(name)); c.Action != "" {
			d.Changes = append(d.Changes, c)
		}
	}
	return d
}

// clusterChanges are what differs of the operators' part.
func clusterChanges(old, new *schema.Spec) (all []FieldChange) {
	for _, c := range rawClusterChanges(old, new) {
		all = append(all, hidden(c))
	}
	return all
}

func rawClusterChanges(old, new *schema.Spec) []FieldChange {
	all := rawChanges(clusterPart(old), clusterPart(new))
	return slices.DeleteFunc(all, func(f FieldChange) bool {
		return strings.HasSuffix(f.Path, ".name") || strings.HasPrefix(f.Path, "owners.") && strings.HasSuffix(f.Path, ".path")
	})
}

// clusterPart is the operators' part as it stands in a repository: by name.
func clusterPart(s *schema.Spec) any {
	pools, registries, owners := map[string]schema.Pool{}, map[string]schema.Registry{}, map[string]schema.Owner{}
	for _, p := range s.Pools {
		pools[p.Name] = p
	}
	for _, r := range s.Registries {
		registries[r.Name] = r
	}
	for _, o := range s.Owners {
		owners[o.Path] = o
	}
	return map[string]any{"pools": pools, "registries": registries, "owners": owners, "gates": s.Gates}
}
