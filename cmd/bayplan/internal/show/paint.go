package show

import (
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// Paint colours text, or leaves it as it is.
type Paint bool

// PaintFor is on for a terminal, unless $NO_COLOR or a dumb one forbids it.
func PaintFor(w io.Writer) Paint {
	return Paint(IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// IsTerminal is whether w is one.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Colour is an ANSI code; the zero value is none.
type Colour string

// The colours, by what they mean to the eye.
const (
	Plain  Colour = ""
	Good   Colour = "32"
	Warn   Colour = "33"
	Bad    Colour = "31"
	Quiet  Colour = "2"
	Strong Colour = "1"
)

// Slots' names in merged logs, told apart by colour.
var hues = []Colour{"36", "33", "32", "35", "34", "31"}

// Hue is one of a few colours, the nth in turn.
func Hue(n int) Colour { return hues[n%len(hues)] }

// Text is s in a colour.
func (p Paint) Text(c Colour, s string) string {
	if !bool(p) || c == Plain || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// Clean drops control characters: text that came from a container or a commit
// must not steer the reader's terminal.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// CleanLines is Clean for text of several lines.
func CleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = Clean(lines[i])
	}
	return strings.Join(lines, "\n")
}
