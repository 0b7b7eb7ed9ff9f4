// Package scheduler places requests on nodes: [Place] is a pure, deterministic
// function from a [Pool] and [Request]s to [Placement]s and, for what fits
// nowhere, [Unplaced] with the reason of every refusal.
//
// A [Table] is a pool laid out for questions: placing many requests, asking each
// node about one ([Table.AskAll]), why it fits nowhere ([Table.Explain]), who
// would have to go for it ([Table.Evict]), how the pools stand
// ([Table.Standings]). One feasibility function serves all of them. See DESIGN.md
// for the model, the algorithm and its cost.
//
//	types.go             what goes in and comes out
//	place.go gang.go     one call of Place: groups, whose turn it is, all or none
//	refit.go packing.go alike.go ways.go  room for what was left out, by other places
//	share.go turn.go     pools, their shares, and who is served next
//	quota.go hold.go     limits; what is guaranteed and idle, which is held free
//	standing.go          how the pools stand, and the largest slots left
//	run.go next.go       one group of equal requests
//	refuse.go feasible.go  the one rule of what a node can take, and its words
//	rules.go goods.go ports.go  neighbours and spreads; disk and devices; host ports
//	table.go class.go index.go heap.go  nodes by what they have free
//	spots.go             where the slots of each workload are
//	fit.go weigh.go      the score
//	evict.go victims.go search.go  who goes where there is no room
package scheduler
