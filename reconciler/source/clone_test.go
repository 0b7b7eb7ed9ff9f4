package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// cloneOf is a clone with a commit for each set of files; what a set lacks is
// removed.
func cloneOf(t *testing.T, sets ...map[string]string) (dir string, commits []string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("HOME", dir) // nobody's own settings
	r, err := git.PlainInit(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	w, err := r.Worktree()
	if err != nil {
		t.Fatal(err)
	}
	for i, files := range sets {
		if i > 0 {
			for name := range sets[i-1] {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, text := range files {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.AddWithOptions(&git.AddOptions{All: true}); err != nil {
			t.Fatal(err)
		}
		h, err := w.Commit("a commit", &git.CommitOptions{Author: &object.Signature{Name: "ann", Email: "ann@example.org"}})
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, h.String())
	}
	return dir, commits
}

// What a branch takes back is in its commit alone: changed, missing and new files,
// also where a folder comes or goes with them.
func TestClone_BranchTakesFilesBack(t *testing.T) {
	dir, commits := cloneOf(t,
		map[string]string{"a/b/old.cue": "old", "a/b/web.cue": "1", "top.cue": "top"},
		map[string]string{"a/b/web.cue": "2", "a/c/new.cue": "new", "top.cue": "top", "other/x.cue": "x"})
	was, is := commits[0], commits[1]
	c, err := OpenClone(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := c.Differ(is, was, "a/b")
	if err != nil || !slices.Equal(files, []string{"a/b/old.cue", "a/b/web.cue"}) {
		t.Errorf("differ: %q %v", files, err)
	}
	if _, err := c.Branch("undo", is, was, files, "back\n"); err == nil || !strings.Contains(err.Error(), "git config user.name") {
		t.Fatal("by nobody: ", err)
	}
	cfg, err := c.repo.Config()
	if err != nil {
		t.Fatal(err)
	}
	cfg.User.Name, cfg.User.Email = "bob", "bob@example.org"
	if err := c.repo.SetConfig(cfg); err != nil {
		t.Fatal(err)
	}
	made, err := c.Branch("undo", is, was, append(files, "a/c/new.cue"), "back\n")
	if err != nil || !c.HasBranch("undo") || !c.Has(made) {
		t.Fatal(made, err)
	}
	out := t.TempDir()
	if err := c.CheckOut(made, out); err != nil {
		t.Fatal(err)
	}
	var got []string
	err = filepath.WalkDir(out, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			text, _ := os.ReadFile(name)
			rel, _ := filepath.Rel(out, name)
			got = append(got, rel+"="+string(text))
		}
		return err
	})
	want := []string{"a/b/old.cue=old", "a/b/web.cue=1", "other/x.cue=x", "top.cue=top"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the branch has %q, want %q; %v", got, want, err)
	}
	if dirty, err := c.Dirty(); err != nil || len(dirty) > 0 {
		t.Errorf("the work tree was touched: %q %v", dirty, err)
	}
	if _, err := c.Branch("undo", is, was, files, "again\n"); err == nil {
		t.Error("a branch was overwritten")
	}
}

func TestClone_DirtyNamesWhatDiffers(t *testing.T) {
	dir, _ := cloneOf(t, map[string]string{"a.cue": "1", "b.cue": "1"})
	for name, text := range map[string]string{"a.cue": "2", "new.cue": "untracked"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := OpenClone(dir)
	if err != nil {
		t.Fatal(err)
	}
	if dirty, err := c.Dirty(); err != nil || !slices.Equal(dirty, []string{"a.cue"}) {
		t.Errorf("%q %v", dirty, err)
	}
}
