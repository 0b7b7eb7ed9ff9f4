package source

import (
	"context"
	"os"
	"strings"
	"testing"
)

func TestOpen_RestartWithRemoteGone(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	cfg := r.config()
	w := watch(t, cfg)
	w.tip(first)
	second := r.push("a.cue", "two", "second")
	w.tip(second)
	w.stop()
	if err := os.RemoveAll(r.bare); err != nil {
		t.Fatal(err)
	}
	w = watch(t, cfg)
	u := w.next()
	if u.Tip == nil || u.Trouble == nil || u.Trouble.Code != CodeRepositoryMissing || u.Tip.Revision.Commit != second {
		t.Fatalf("update %s", show(u))
	}
	if got := content(t, u.Tip.Files, "a.cue"); got != "two" {
		t.Errorf("content %q", got)
	}
	if ok, err := w.s.Descends(context.Background(), first, second); !ok || err != nil {
		t.Errorf("Descends: %v, %v", ok, err)
	}
	w.stop()

	cfg.Branch = "other"
	if u := watch(t, cfg).next(); u.Tip != nil {
		t.Errorf("another branch is given %s", show(u))
	}
}

func TestOpen_SecondProcess(t *testing.T) {
	r := newRepo(t)
	cfg := r.config()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second Open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_Rejects(t *testing.T) {
	dir := t.TempDir()
	for name, cfg := range map[string]Config{
		"no repository":         {Dir: dir},
		"no folder":             {URL: "/x", Dir: ""},
		"is no branch name":     {URL: "/x", Dir: dir, Branch: "a..b"},
		"must be a path below":  {URL: "/x", Dir: dir, Root: "../y"},
		"is not supported":      {URL: "ftp://host/x", Dir: dir},
		"token in the clear":    {URL: "http://host/x", Dir: dir, TokenFile: "/token"},
		"holds a password":      {URL: "https://u:secret@host/x", Dir: dir},
		"needs the file of":     {URL: "git@host:x", Dir: dir},
		"certificates":          {URL: "https://host/x", Dir: dir, CAFile: "/nonexistent"},
		"the address is no URL": {URL: "https://u:secret@ho st/x", Dir: dir},
	} {
		_, err := Open(cfg)
		if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(name, "the address", "address")) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
