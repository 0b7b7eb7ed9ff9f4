package load

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// environments is the folder that holds those of a tree, one folder each.
const environments = "envs"

// rootOf is where an environment's teams and its operators' part are.
func rootOf(env string) string {
	if env == "" {
		return "."
	}
	return path.Join(environments, env)
}

// Environments are the names of those that a tree has, sorted.
func Environments(fsys fs.FS) (names []string) {
	entries, err := fs.ReadDir(fsys, environments)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() && !ignored(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// packageOf is the package that a directory is; false for one that can only be
// imported. An environment that nobody asked for is one package, and refused.
func (t *tree) packageOf(dir string) (string, bool) {
	switch {
	case vendored(dir):
		return "", false
	case t.root != ".":
		return dir, dir == t.root || strings.HasPrefix(dir, t.root+"/")
	case strings.HasPrefix(dir, environments+"/"):
		name, _, _ := strings.Cut(dir[len(environments)+1:], "/")
		return path.Join(environments, name), true
	}
	return dir, true
}

// isEnvironment tells of a package that is a whole environment.
func (t *tree) isEnvironment(dir string) bool {
	return t.root == "." && path.Dir(dir) == environments
}

// team is the name of the i-th package's team.
func (t *tree) team(i int) string {
	return Package{Dir: t.packages[i], Root: t.root, Operators: t.operators}.team()
}

func (t *tree) noEnvironment(name string) error {
	known := Environments(t.fsys)
	switch near := nearest(name, known); {
	case near != "":
		return fmt.Errorf("there is no environment %q, did you mean %q? (folder %s)", name, near, path.Join(environments, near))
	case len(known) == 0:
		return fmt.Errorf("there is no environment %q: the tree has no folder %s with files", name, path.Join(environments, name))
	}
	slices.Sort(known)
	return fmt.Errorf("there is no environment %q, only %s", name, strings.Join(known, ", "))
}
