package view

import (
	"io"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// Images draws one line an image of a node.
func Images(w io.Writer, doc *status.Images, l Look) {
	heading := []string{"NODE", "IMAGE OR ARCHIVE", "DIGEST", "SIZE", "USED", "IN USE"}
	if l.Wide {
		heading = append(heading, "CREATED", "NAMES")
	}
	t := show.NewColumns(l.Paint, heading...)
	for i := range doc.Images {
		m := &doc.Images[i]
		digest := m.Digest
		if !l.Wide {
			digest = shortDigest(digest)
		}
		row := []any{m.Node, dash(imageName(m)), digest, schema.Bytes(m.Size).Human(), show.Since(l.Now, m.Used), yes(m.InUse)}
		if l.Wide {
			row = append(row, made(m, l), dash(strings.Join(m.Names, ",")))
		}
		t.Row(row...)
	}
	t.Print(w)
}

// made is the image's age. Those that are built the same each time say that they
// are of 1970 or before, which tells nothing.
func made(m *status.Image, l Look) string {
	if m.Created.Unix() <= 0 {
		return "-"
	}
	return show.Since(l.Now, m.Created)
}

// imageName is the name that people know: one with a tag, if there is any.
func imageName(m *status.Image) string {
	if m.Archive != "" {
		return strings.Join(m.Names, ",")
	}
	for _, n := range m.Names {
		if !strings.Contains(n, "@") {
			return n
		}
	}
	for _, n := range m.Names {
		repo, _, _ := strings.Cut(n, "@")
		return repo
	}
	return ""
}

// shortDigest is enough of a digest to tell it from others.
func shortDigest(d string) string {
	const digits = 12
	algorithm, hex, ok := strings.Cut(d, ":")
	if !ok {
		return d
	}
	return algorithm + ":" + hex[:min(digits, len(hex))]
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// Pruning draws one line a node that was cleared.
func Pruning(w io.Writer, doc *status.Pruning, l Look) {
	t := show.NewColumns(l.Paint, "NODE", "IMAGES", "LAYERS", "FREED")
	for i := range doc.Nodes {
		n := &doc.Nodes[i]
		t.Row(n.Node, len(n.Images), n.Layers, schema.Bytes(n.Bytes).Human())
	}
	t.Print(w)
}
