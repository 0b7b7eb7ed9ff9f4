package show

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Cell is a table's text with its colour.
type Cell struct {
	Text   string
	Colour Colour
}

// Columns is a table. Unlike text/tabwriter it knows that a colour has no width.
type Columns struct {
	paint Paint
	rows  [][]Cell
	width []int
}

// NewColumns begins a table with its heading.
func NewColumns(p Paint, heading ...string) *Columns {
	t := &Columns{paint: p}
	cells := make([]any, len(heading))
	for i, h := range heading {
		cells[i] = Cell{h, Quiet}
	}
	t.Row(cells...)
	return t
}

// Row adds a row of Cells or plain values.
func (t *Columns) Row(cells ...any) {
	row := make([]Cell, len(cells))
	for i, c := range cells {
		cell, ok := c.(Cell)
		if !ok {
			cell = Cell{Text: fmt.Sprint(c)}
		}
		cell.Text = Clean(cell.Text)
		row[i] = cell
		if i == len(t.width) {
			t.width = append(t.width, 0)
		}
		t.width[i] = max(t.width[i], utf8.RuneCountInString(cell.Text))
	}
	t.rows = append(t.rows, row)
}

// Print writes the rows, two spaces between columns and none at a line's end.
func (t *Columns) Print(w io.Writer) {
	for _, row := range t.rows {
		var line strings.Builder
		gap := 0
		for i, c := range row {
			if c.Text != "" {
				line.WriteString(strings.Repeat(" ", gap) + t.paint.Text(c.Colour, c.Text))
				gap = 0
			}
			gap += t.width[i] - utf8.RuneCountInString(c.Text) + 2
		}
		fmt.Fprintln(w, line.String())
	}
}
