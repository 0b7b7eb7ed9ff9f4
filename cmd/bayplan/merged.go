package main

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
)

// merged prints the logs of slots as one: whole lines, each with its slot's
// name where there are several. With one slot alone the bytes pass unchanged.
type merged struct {
	w     io.Writer
	paint show.Paint
	// line, if set, prints one whole line in another form.
	line func(slot string, text []byte) error

	names []string
	width int
	// rest are unfinished lines by slot.
	rest map[string][]byte
}

// newMerged begins with the slots that are known; more may come.
func newMerged(w io.Writer, p show.Paint, names []string) *merged {
	m := &merged{w: w, paint: p, rest: map[string][]byte{}}
	for _, n := range names {
		m.know(n)
	}
	return m
}

// know gives a slot its place among the names, and with it its colour.
func (m *merged) know(slot string) {
	if !slices.Contains(m.names, slot) {
		m.names = append(m.names, slot)
		m.width = max(m.width, len(slot))
	}
}

func (m *merged) print(slot string, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	m.know(slot)
	if m.line == nil && len(m.names) == 1 {
		_, err := m.w.Write(data)
		return err
	}
	data = append(m.rest[slot], data...)
	for {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			m.rest[slot] = data
			return nil
		}
		if err := m.whole(slot, data[:i]); err != nil {
			return err
		}
		data = data[i+1:]
	}
}

func (m *merged) whole(slot string, text []byte) error {
	if m.line != nil {
		return m.line(slot, text)
	}
	prefix := slot + strings.Repeat(" ", m.width-len(slot)) + " | "
	_, err := io.WriteString(m.w, m.paint.Text(show.Hue(slices.Index(m.names, slot)), prefix)+string(text)+"\n")
	return err
}

// end prints what never got its newline.
func (m *merged) end() error {
	for _, slot := range m.names {
		if rest := m.rest[slot]; len(rest) > 0 {
			delete(m.rest, slot)
			if err := m.whole(slot, rest); err != nil {
				return err
			}
		}
	}
	return nil
}
