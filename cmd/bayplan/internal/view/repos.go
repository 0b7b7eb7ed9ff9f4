package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
)

// revisions draws the commit in work or, where there are several repositories, each
// one's behind its name.
func revisions(w io.Writer, s *status.Status, l Look) {
	if len(s.Repos) == 0 {
		Revision(w, &s.Revision, l)
		return
	}
	width := 0
	for _, name := range s.RepoNames() {
		width = max(width, len(name))
	}
	head := func(name string) {
		fmt.Fprintf(w, "%s%s  ", l.Paint.Text(show.Quiet, name), strings.Repeat(" ", width-len(name)))
	}
	head(s.NameOf(""))
	Revision(w, &s.Revision, l)
	for i := range s.Repos {
		r := &s.Repos[i]
		if head(r.Name); r.Unfollowed {
			fmt.Fprintf(w, "%s; its teams stay as they are: %s\n", l.Paint.Text(show.Warn, "followed no more"), strings.Join(r.Teams, ", "))
			continue
		}
		Revision(w, &r.Revision, l)
	}
}

// byRepo is a table that says of each row which repository it is of, where there
// are several.
type byRepo struct {
	*show.Columns
	of *status.Status // nil where there is one
}

func newByRepo(s *status.Status, l Look, heading []string) *byRepo {
	if len(s.Repos) == 0 {
		return &byRepo{Columns: show.NewColumns(l.Paint, heading...)}
	}
	return &byRepo{show.NewColumns(l.Paint, slices.Insert(slices.Clone(heading), 1, "REPO")...), s}
}

func (t *byRepo) row(repo string, cells []any) {
	if t.of != nil {
		cells = slices.Insert(cells, 1, any(t.of.NameOf(repo)))
	}
	t.Row(cells...)
}
