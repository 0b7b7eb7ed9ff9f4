// Package scheduler places requests on nodes: [Place] is a pure, deterministic
// function from a [Pool] and [Request]s to [Placement]s and, for what fits
// nowhere, [Unplaced] with the reason of every refusal.
//
// One feasibility function ([Feasible]) serves the plan that is previewed, the
// placement and the check when an order is made. See DESIGN.md for the model.
package scheduler
