package source

import (
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"net/http/httptest"
)

// raw stores an object of any content in the bare repository.
func (r *repo) raw(kind, content string) string {
	r.t.Helper()
	return r.pipe(content, "hash-object", "-w", "-t", kind, "--literally", "--stdin")
}

// pipe runs git in the bare repository.
func (r *repo) pipe(stdin string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.bare}, args...)...)
	cmd.Stdin, cmd.Env = strings.NewReader(stdin), r.env
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// item is an entry of a tree as git stores it.
func item(mode, name, hash string) string {
	raw, _ := hex.DecodeString(hash) // git's own
	return mode + " " + name + "\x00" + string(raw)
}

// grow puts a commit with that tree on top of main, past all that git checks.
func (r *repo) grow(tree, message string) string {
	r.t.Helper()
	commit := r.pipe(message, "commit-tree", tree, "-p", "main")
	r.pipe("", "update-ref", "refs/heads/main", commit)
	return commit
}

// nested is a tree of one folder in the other around a file, and as many beside
// each as width says: width to the power of depth files.
func (r *repo) nested(depth, width int) string {
	blob := r.raw("blob", "x")
	tree := r.raw("tree", item("100644", "a.cue", blob))
	for range depth {
		all := ""
		for i := range width {
			all += item("40000", fmt.Sprintf("d%02d", i), tree)
		}
		tree = r.raw("tree", all)
	}
	return tree
}

// remotes are the ways to a repository; each passes the same corpus.
var remotes = map[string]func(t *testing.T, r *repo) Config{
	"disk": func(_ *testing.T, r *repo) Config { return r.config() },
	"http by git": func(t *testing.T, r *repo) Config {
		cfg := serveHTTP(t, r, (*httptest.Server).Start).config(t, r)
		cfg.Backend = BackendExec
		return cfg
	},
	"http": func(t *testing.T, r *repo) Config { return serveHTTP(t, r, (*httptest.Server).Start).config(t, r) },
}

// Whatever the branch comes to point at, what was there before can be read, the
// reason is told, and a commit that is good again is taken.
func TestHostile_TheLastGoodCommitStays(t *testing.T) {
	for name, test := range map[string]struct {
		attack func(t *testing.T, r *repo)
		code   string
		words  string
	}{
		"branch deleted": {func(t *testing.T, r *repo) { r.pipe("", "update-ref", "-d", "refs/heads/main") }, CodeBranchMissing, "no branch"},
		"empty tree":     {func(t *testing.T, r *repo) { r.grow(r.raw("tree", ""), "nothing") }, CodeEmpty, "holds no file"},
		"name not UTF-8": {func(t *testing.T, r *repo) {
			r.grow(r.raw("tree", item("40000", "shop", r.raw("tree", item("100644", "caf\xe9.cue", r.raw("blob", "x"))))), "latin")
		}, CodeTree, `"shop/caf\xe9.cue"`},
		"name with a newline": {func(t *testing.T, r *repo) {
			r.grow(r.raw("tree", item("100644", "a\nb.cue", r.raw("blob", "x"))), "two lines")
		}, CodeTree, `"a\nb.cue"`},
		"name that moves the cursor": {func(t *testing.T, r *repo) {
			r.grow(r.raw("tree", item("100644", "a\x1b[2J.cue", r.raw("blob", "x"))), "clear")
		}, CodeTree, `"a\x1b[2J.cue"`},
		"name that leads out": {func(t *testing.T, r *repo) {
			r.grow(r.raw("tree", item("40000", "..", r.raw("tree", item("100644", "a.cue", r.raw("blob", "x"))))), "up")
		}, CodeTree, `".."`},
		"name with a slash": {func(t *testing.T, r *repo) {
			r.grow(r.raw("tree", item("100644", "../../etc/passwd", r.raw("blob", "x"))), "up")
		}, CodeTree, `"../../etc/passwd"`},
		"100,000 files": {func(t *testing.T, r *repo) {
			var all strings.Builder
			blob := r.raw("blob", "x")
			for i := range 100_000 {
				all.WriteString(item("100644", fmt.Sprintf("%05d.cue", i), blob))
			}
			r.grow(r.raw("tree", all.String()), "many")
		}, CodeTree, "100000 files"},
		"10 to the 10 files in 12 objects": {func(t *testing.T, r *repo) { r.grow(r.nested(10, 10), "many") }, CodeTree, "billions of files"},
		"100 folders deep":                 {func(t *testing.T, r *repo) { r.grow(r.nested(100, 1), "deep") }, CodeTree, "more than 40 deep"},
		"2 to the 60 folders deep":         {func(t *testing.T, r *repo) { r.grow(r.nested(60, 2), "deep") }, CodeTree, "more than 40 deep"},
		"20 MB of nothing in one file": {func(t *testing.T, r *repo) {
			r.grow(r.raw("tree", item("100644", "zeros.bin", r.raw("blob", strings.Repeat("\x00", 20<<20)))), "large")
		}, CodeTooLarge, "20971520"},
		"20 MB of nothing in a new history": {func(t *testing.T, r *repo) {
			all := ""
			for i := range 2 * looseUpTo { // enough for a pack
				all += item("100644", fmt.Sprintf("%03d.cue", i), r.raw("blob", fmt.Sprint(i)))
			}
			tree := r.raw("tree", all+item("100644", "zeros.bin", r.raw("blob", strings.Repeat("\x00", 20<<20))))
			r.pipe("", "update-ref", "refs/heads/main", r.pipe("root", "commit-tree", tree))
		}, CodeTooLarge, "20971520"},
		"a commit for a tree": {func(t *testing.T, r *repo) {
			r.grow(r.raw("tree", item("40000", "shop", r.pipe("", "rev-parse", "main"))), "odd")
		}, CodeCorrupt, "damaged"},
	} {
		for way, config := range remotes {
			t.Run(name+"/"+way, func(t *testing.T) {
				r := newRepo(t)
				first := r.push("a.cue", "one", "first")
				cfg := config(t, r)
				cfg.MaxObject = 10 << 20
				w := watch(t, cfg)
				good := w.tip(first)
				test.attack(t, r)
				w.s.Poke()
				trouble := w.trouble(test.code)
				if !strings.Contains(trouble.Text, test.words) {
					t.Errorf("%q lacks %q", trouble.Text, test.words)
				}
				if got := content(t, good.Files, "a.cue"); got != "one" {
					t.Errorf("content %q", got)
				}
				r.pipe("", "update-ref", "refs/heads/main", first)
				w.s.Poke()
				w.cleared()
				second := r.push("a.cue", "two", "second")
				w.s.Poke()
				if got := content(t, w.tip(second).Files, "a.cue"); got != "two" {
					t.Errorf("content %q", got)
				}
			})
		}
	}
}

// What cannot do harm is left out, and said.
func TestHostile_LinksAndModulesAreLeftOutWithAWarning(t *testing.T) {
	for way, config := range remotes {
		t.Run(way, func(t *testing.T) {
			r := newRepo(t)
			first := r.push("a.cue", "one", "first")
			loop := r.raw("tree", item("100644", "a.cue", r.raw("blob", "x"))+item("120000", "b", r.raw("blob", "c"))+item("120000", "c", r.raw("blob", "b"))+
				item("120000", "up", r.raw("blob", "../..")))
			top := r.raw("tree", item("100644", ".gitattributes", r.raw("blob", "*.bin filter=lfs diff=lfs merge=lfs -text\n"))+item("160000", "lib", first)+item("40000", "shop", loop))
			commit := r.grow(top, "links")
			w := watch(t, config(t, r))
			tip := w.tip(commit)
			list, err := tip.Files.(*files).ReadDir("shop")
			if err != nil || len(list) != 1 || list[0].Name() != "a.cue" {
				t.Errorf("%v, %v", list, err)
			}
			told := strings.Join(tip.Warnings, "\n")
			for _, want := range []string{`symbolic links are not followed: "shop/up"`, `submodules are not looked into: the folder "lib"`, "Git LFS"} {
				if !strings.Contains(told, want) {
					t.Errorf("%q lacks %q", told, want)
				}
			}
		})
	}
}
