package schema

// Gates are what a commit must pass before it is applied, beside what holds for
// every cluster. Those of the text in force count, so that no commit opens its own.
type Gates struct {
	// PinPlans has a commit Held whose plan nobody approved, or that would do what
	// the approved plan does not say. Where a slot is placed does not matter.
	PinPlans bool `json:"pinPlans,omitempty"`
}
