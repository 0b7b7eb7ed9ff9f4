package load

import (
	"cuelang.org/go/cue"

	"github.com/bayplan/bayplan/schema"
)

// gates judges what commits must pass.
func (e *evaluation) gates(v cue.Value) {
	if !v.Exists() {
		return
	}
	c := &candidate{under: []string{"cluster"}, name: "gates", dir: e.dir, user: v, rule: rules().gates}
	var g schema.Gates
	if c.conforms(e.ctx.BuildInstance(e.im.schema).LookupPath(gatesPath), &g) {
		e.out.Gates = g
	}
	e.out.Errors = append(e.out.Errors, c.errs...)
}
