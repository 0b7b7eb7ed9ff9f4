package tree

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Line is one line of a file and who last changed it.
type Line struct {
	Commit, Author string
	Time           time.Time
}

// Blame is who last changed each line of a file as of a commit; file is its path
// from the top of the repository.
func Blame(ctx context.Context, dir, commit, file string) (all []Line, err error) {
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, fmt.Errorf("git: %w", err)
	}
	out, err := git(ctx, strings.TrimSpace(string(top)), "blame", "--line-porcelain", commit, "--", file)
	if err != nil {
		return nil, fmt.Errorf("git cannot tell who wrote %s: %w", file, err)
	}
	var l Line
	for text := range strings.Lines(string(out)) {
		text = strings.TrimSuffix(text, "\n")
		key, value, _ := strings.Cut(text, " ")
		switch {
		case strings.HasPrefix(text, "\t"):
			all, l = append(all, l), Line{}
		case key == "author":
			l.Author = value
		case key == "author-mail":
			l.Author += " " + value
		case key == "author-time":
			if s, err := strconv.ParseInt(value, 10, 64); err == nil {
				l.Time = time.Unix(s, 0)
			}
		case l.Commit == "" && len(key) >= 40:
			l.Commit = key
		}
	}
	return all, nil
}
