// Package view turns the documents of reconciler/status into text for people.
// Every function is pure: the same document and [Look] give the same text.
package view

import (
	"slices"
	"strings"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
)

// Look is how to draw.
type Look struct {
	Now   time.Time
	Paint show.Paint
	// Wide adds what a narrow terminal has no room for.
	Wide bool
}

func short(commit string) string { return commit[:min(10, len(commit))] }

func outcomeColour(o reconciler.Outcome) show.Colour {
	switch o {
	case reconciler.Applied, reconciler.NoEffect:
		return show.Good
	case reconciler.Failed, reconciler.RolledBack:
		return show.Bad
	case reconciler.Held, reconciler.Progressing:
		return show.Warn
	}
	return show.Quiet
}

// stateColour colours the one-word states of workloads and nodes.
func stateColour(s string) show.Colour {
	switch s {
	case "running", "ready", "completed", "scheduled":
		return show.Good
	case "failed", "lost", "reverted", "degraded", "unreachable":
		return show.Bad
	}
	return show.Warn
}

func healthColour(h nodes.Health) show.Colour {
	switch h {
	case nodes.Healthy:
		return show.Good
	case nodes.Unhealthy:
		return show.Bad
	}
	return show.Plain
}

// pairs is a map as "a=1,b=2", sorted; "-" when empty.
func pairs[V any](m map[string]V, text func(V) string) string {
	if len(m) == 0 {
		return "-"
	}
	var all []string
	for k, v := range m {
		all = append(all, k+"="+text(v))
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// count is "1 node", "2 nodes".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return itoa(n) + " " + one + "s"
}
