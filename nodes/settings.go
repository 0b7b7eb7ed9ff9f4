package nodes

import (
	"reflect"

	"github.com/bayplan/bayplan/schema"
)

// Settings are what holds for every node of a cluster, beside its Assignment. An
// agent that does not know a part of them goes without it: none may matter to
// what runs and where.
type Settings struct {
	// Registries are how images are reached.
	Registries []schema.Registry `json:"registries,omitempty"`
}

// Equal is whether both say the same.
func (s *Settings) Equal(t *Settings) bool {
	if len(s.Registries) == 0 && len(t.Registries) == 0 {
		return true
	}
	return reflect.DeepEqual(s.Registries, t.Registries)
}
