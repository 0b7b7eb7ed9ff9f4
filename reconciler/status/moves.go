package status

import "github.com/bayplan/bayplan/reconciler"

// Moves are the instances that would be better placed elsewhere: the answer of
// `bayplan pool moves`.
type Moves struct {
	Schema string `json:"schema"`
	// Moves are in the order in which they could be made, the most gain first.
	Moves []Move `json:"moves"`
}

// Move is one of them.
type Move struct {
	Slot string `json:"slot"`
	From string `json:"from"`
	To   string `json:"to"`
	// Gain is by how much its place would be better, in thousandths; Before and
	// After tell what it counts here and there, such as "472 (fit 472, spread 0)".
	Gain   int    `json:"gain"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// MovesOf asks what would be better placed elsewhere, budget at most.
func MovesOf(in reconciler.Input, budget int) Moves {
	all := Moves{Schema: Schema, Moves: []Move{}}
	for _, m := range reconciler.Moves(in, budget) {
		all.Moves = append(all.Moves, Move{Slot: m.Slot.String(), From: m.From, To: m.To, Gain: m.Gain(), Before: m.Before.String(), After: m.After.String()})
	}
	return all
}
