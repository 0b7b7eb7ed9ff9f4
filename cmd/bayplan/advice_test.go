package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// advised finds a command line in a text: "bayplan node token", "bayplan agent
// --attribute".
var advised = regexp.MustCompile("(?:^|[^a-z/.-])bayplan ((?:[a-z]+ ?)+)((?:--[a-z-]+ ?)*)")

// TestAdvice_LeadsToVerbs: every command that a text of the server or the nodes
// tells people to type is one that there is, with flags that it has.
func TestAdvice_LeadsToVerbs(t *testing.T) {
	found := 0
	for _, dir := range []string{"reconciler", "nodes", "scheduler", "schema", "cmd"} {
		for _, text := range literals(t, filepath.Join("../..", dir)) {
			for _, m := range advised.FindAllStringSubmatch(text, -1) {
				if why := wrong(newRoot(), strings.Fields(m[1]), strings.Fields(m[2])); why != "" {
					t.Errorf("%q: %s", text, why)
				}
				found++
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d commands were found", found)
	}
}

// prose are words that follow the program's name where it is no command.
var prose = []string{"does", "with"}

// wrong is why nobody can type this; "" if one can. What follows a verb without
// verbs of its own is prose or an argument.
func wrong(root *cobra.Command, words, flags []string) string {
	cmd, rest, err := root.Find(words)
	switch {
	case err != nil:
		return err.Error()
	case cmd == root && slices.Contains(prose, words[0]):
		return ""
	case cmd == root:
		return "there is no verb " + words[0]
	case cmd.HasSubCommands() && len(rest) > 0:
		return cmd.CommandPath() + " has no verb " + rest[0]
	}
	for _, f := range flags {
		name := strings.TrimPrefix(f, "--")
		if name != "help" && cmd.Flag(name) == nil {
			return cmd.CommandPath() + " has no flag " + f
		}
	}
	return ""
}

// literals are the strings in a folder's sources, those that are added up as
// far as they stand side by side.
func literals(t *testing.T, dir string) (all []string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					all = append(all, text)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
