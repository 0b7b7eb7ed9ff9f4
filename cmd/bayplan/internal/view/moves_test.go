package view

import (
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler/status"
)

// TestMoves draws what a move gains, and what to know where there is none.
func TestMoves(t *testing.T) {
	var b strings.Builder
	Moves(&b, &status.Moves{Moves: []status.Move{{Slot: "shop/web.0", From: "n1", To: "n2", Gain: 200,
		Before: "400 (fit 400, spread 0)", After: "600 (fit 600, spread 0)"}}}, Look{})
	Moves(&b, &status.Moves{}, Look{})
	want := `SLOT        FROM  TO  GAIN  BEFORE                   AFTER
shop/web.0  n1    n2  +200  400 (fit 400, spread 0)  600 (fit 600, spread 0)
no moves: every slot that may be down for a moment has a place that is about as good as any
`
	if squeeze(b.String()) != squeeze(want) {
		t.Errorf("got\n%s", b.String())
	}
}
