package view

import (
	"fmt"
	"io"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Moves draws one line a move.
func Moves(w io.Writer, all *status.Moves, l Look) {
	if len(all.Moves) == 0 {
		fmt.Fprintln(w, "no moves: every slot that may be down for a moment has a place that is about as good as any")
		return
	}
	t := show.NewColumns(l.Paint, "SLOT", "FROM", "TO", "GAIN", "BEFORE", "AFTER")
	for i := range all.Moves {
		m := &all.Moves[i]
		t.Row(m.Slot, m.From, m.To, fmt.Sprintf("+%d", m.Gain), m.Before, m.After)
	}
	t.Print(w)
}
