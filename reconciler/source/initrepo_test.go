package source

import (
	"testing"
	"testing/fstest"
)

func TestInitRepo_WatchedAndCloned(t *testing.T) {
	r := newRepo(t)
	dir := t.TempDir() + "/new.git"
	files := fstest.MapFS{
		"hello/web.cue": {Data: []byte("one")}, "hello-2/x.cue": {Data: []byte("x")}, "hello.cue": {Data: []byte("h")},
		"run.sh": {Data: []byte("#!"), Mode: 0o755},
	}
	commit, err := InitRepo(dir, "trunk", files, "the sample")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := InitRepo(dir, "trunk", files, "again"); err == nil {
		t.Error("a repository was made over another")
	}
	cfg := r.config()
	cfg.URL, cfg.Branch = dir, "trunk"
	w := watch(t, cfg)
	tip := w.tip(commit)
	if tip.Revision.Subject != "the sample" || content(t, tip.Files, "hello/web.cue") != "one" {
		t.Errorf("tip %+v", tip.Revision)
	}
	if out := r.run(dir, "fsck", "--strict"); out != "" {
		t.Errorf("git fsck: %s", out)
	}
	clone := t.TempDir()
	r.run(clone, "clone", "-q", dir, "c")
	r.run(clone+"/c", "commit", "-q", "--allow-empty", "-m", "second")
	r.run(clone+"/c", "push", "-q")
	w.tip(r.run(clone+"/c", "rev-parse", "HEAD"))
}
