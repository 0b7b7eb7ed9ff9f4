// Package tree finds and evaluates the directory that a verb is about.
package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

// Root is the directory to read: the one named, or the top of the Git work tree
// around the current one, since a team's name is its path from there, or else
// the current one.
func Root(args []string) (string, error) {
	if len(args) > 0 {
		info, err := os.Stat(args[0])
		if err != nil {
			return "", exit.Usagef("name the directory with your workloads", "reading the tree: %w", err)
		}
		if !info.IsDir() {
			return "", exit.Usagef("name the directory that it stands in", "%s is a file", args[0])
		}
		return args[0], nil
	}
	cwd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := cwd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return cwd, nil
		}
	}
}

// Prefix is the path from the top of the work tree that dir is in to dir, with a
// slash at its end; "" for the top and for a folder in none.
func Prefix(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for top := abs; ; top = filepath.Dir(top) {
		if _, err := os.Stat(filepath.Join(top, ".git")); err == nil {
			rel, err := filepath.Rel(top, abs)
			if err != nil || rel == "." {
				return ""
			}
			return filepath.ToSlash(rel) + "/"
		}
		if top == filepath.Dir(top) {
			return ""
		}
	}
}

// gitPatience bounds the question to git: its answer is welcome, not needed.
const gitPatience = 5 * time.Second

// Revision is the commit that dir's work tree stands on, so that a plan heeds
// its trailers. It is empty where git is missing or dir is in no work tree.
func Revision(ctx context.Context, dir string) schema.Revision {
	r := revisionAt(ctx, dir, "HEAD")
	if r.Commit == "" {
		r.Subject = "a tree outside Git"
	}
	return r
}

// Finding is one error of a tree, as `validate -o json` lists it.
type Finding struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
}

// Findings lists what err has to say; an error about no file is one without a
// File.
func Findings(err error) []Finding {
	all := []Finding{}
	if err == nil {
		return all
	}
	for _, e := range load.Errors(err) {
		all = append(all, Finding{e.File, e.Line, e.Col, e.Path, e.Message, e.Next})
	}
	if len(all) == 0 {
		all = append(all, Finding{Message: err.Error()})
	}
	return all
}

// Text is the finding as compilers print theirs, with the next step below.
func (f Finding) Text() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Col)
		}
		b.WriteString(": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Message)
	if f.Next != "" {
		b.WriteString("\n    next: " + f.Next)
	}
	return b.String()
}

// Unreadable is whether err is about the disk and not about what users wrote.
func Unreadable(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p)
}
