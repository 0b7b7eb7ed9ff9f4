package agent

import (
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Registries is what a [Runtime] may have that reaches image registries by
// itself.
type Registries interface {
	// UseRegistries puts the cluster's settings in place of those before, for
	// the pulls that begin from now on.
	UseRegistries(all []schema.Registry)
}

// Settled is a [Node] that takes the cluster's settings.
type Settled interface {
	// Settle takes them over, and keeps them over a restart.
	Settle(s nodes.Settings)
}

var _ Settled = (*Agent)(nil)

// Settle takes the cluster's settings over. They are used at once and written
// down soon: they come again with every session.
func (a *Agent) Settle(s nodes.Settings) {
	a.mu.Lock()
	same := a.settings.Equal(&s)
	a.settings = s
	a.mu.Unlock()
	if same {
		return
	}
	a.useSettings(&s)
	poke(a.durable)
	a.log.Info("settings", "registries", len(s.Registries))
}

func (a *Agent) useSettings(s *nodes.Settings) {
	if r, ok := a.cfg.Runtime.(Registries); ok {
		r.UseRegistries(s.Registries)
	}
}
