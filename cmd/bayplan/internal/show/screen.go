package show

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Screen shows one text after the other: on a terminal each takes the place of
// the one before, elsewhere it is appended after an empty line.
type Screen struct {
	w     io.Writer
	drawn bool
}

// NewScreen draws on w.
func NewScreen(w io.Writer) *Screen { return &Screen{w: w} }

// Redraws is whether a new text replaces the old one, so that drawing the same
// facts again (with newer ages) is welcome.
func (s *Screen) Redraws() bool { return IsTerminal(s.w) }

// Draw shows text.
func (s *Screen) Draw(text string) error {
	first := !s.drawn
	s.drawn = true
	if s.Redraws() {
		_, err := io.WriteString(s.w, s.frame(text, first))
		return err
	}
	if !first {
		text = "\n" + text
	}
	_, err := io.WriteString(s.w, text)
	return err
}

// frame overwrites line by line, which does not flicker as clearing does.
func (s *Screen) frame(text string, first bool) string {
	var b strings.Builder
	if first {
		b.WriteString("\x1b[2J")
	}
	b.WriteString("\x1b[H")
	for _, line := range fit(strings.Split(strings.TrimSuffix(text, "\n"), "\n"), height(s.w)) {
		b.WriteString(line + "\x1b[K\n")
	}
	return b.String() + "\x1b[J"
}

func height(w io.Writer) int {
	_, rows, err := term.GetSize(int(w.(*os.File).Fd()))
	if err != nil || rows < 2 {
		return 24
	}
	return rows
}

// fit cuts lines to a screen, its last row left for the cursor.
func fit(lines []string, rows int) []string {
	if len(lines) < rows {
		return lines
	}
	cut := lines[:rows-2]
	return append(cut[:len(cut):len(cut)], fmt.Sprintf("… %d more lines", len(lines)-len(cut)))
}
