package tree

import (
	"cmp"
	"context"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema/load"
)

// Locate tells where what changes stands: the new value in the tree of now, or
// what is gone in that of before; before is nil where there is none.
func Locate(ctx context.Context, changes []status.PreviewChange, now, before *load.Locator) {
	var places []load.Place
	for i := range changes {
		for _, f := range changes[i].Fields {
			places = append(places, load.Place{Workload: changes[i].Workload, Field: written(f.Path)})
		}
	}
	at, was := now.FindAll(ctx, places), make([]load.Position, len(places))
	if before != nil {
		was = before.FindAll(ctx, places)
	}
	k := 0
	for i := range changes {
		for j := range changes[i].Fields {
			f := &changes[i].Fields[j]
			if f.At = at[k].String(); f.To == "" {
				f.At = cmp.Or(was[k], at[k]).String()
			}
			k++
		}
	}
}

// written is the field that people write for one that the server fills in.
func written(field string) string {
	if field == "pinned" {
		return "image"
	}
	return field
}
