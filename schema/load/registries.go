package load

import (
	"slices"
	"strings"

	"cuelang.org/go/cue"

	"github.com/bayplan/bayplan/schema"
)

// registries judges each registry of the cluster.
func (e *evaluation) registries(all cue.Value) {
	it, err := all.Fields()
	if !all.Exists() || err != nil {
		return // cluster told of it
	}
	definition := e.ctx.BuildInstance(e.im.schema).LookupPath(registryPath)
	for it.Next() {
		c := &candidate{under: []string{"cluster", "registries"}, name: it.Selector().Unquoted(), dir: e.dir, user: it.Value(), rule: rules().registry}
		var r schema.Registry
		if c.meets(definition, &r, &r.Name) {
			e.out.Registries = append(e.out.Registries, r)
		}
		e.out.Errors = append(e.out.Errors, c.errs...)
	}
	slices.SortFunc(e.out.Registries, func(a, b schema.Registry) int { return strings.Compare(a.Name, b.Name) })
}

// meets unifies a named part of the cluster with its definition, decodes it into
// to, whose name is then set, and holds it to the rules that CUE does not have.
func (c *candidate) meets(definition cue.Value, to interface{ Check() []schema.Problem }, name *string) bool {
	if !c.conforms(definition, to) {
		return false
	}
	*name = c.name
	for _, p := range to.Check() {
		c.fail(p.Path, "%s", p.Message)
	}
	return len(c.errs) == 0
}
