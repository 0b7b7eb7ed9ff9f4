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
		r, ok := c.judgeRegistry(definition)
		e.out.Errors = append(e.out.Errors, c.errs...)
		if ok {
			e.out.Registries = append(e.out.Registries, r)
		}
	}
	slices.SortFunc(e.out.Registries, func(a, b schema.Registry) int { return strings.Compare(a.Name, b.Name) })
}

// judgeRegistry unifies the registry with its definition.
func (c *candidate) judgeRegistry(definition cue.Value) (r schema.Registry, ok bool) {
	if !c.conforms(definition, &r) {
		return r, false
	}
	r.Name = c.name
	for _, p := range r.Check() {
		c.fail(p.Path, "%s", p.Message)
	}
	return r, len(c.errs) == 0
}
