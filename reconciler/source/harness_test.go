package source

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// repo is a bare repository and a work tree that pushes to it, both made with
// the real git.
type repo struct {
	t    testing.TB
	bare string
	work string
	env  []string
}

func newRepo(t testing.TB) *repo {
	t.Helper()
	dir := t.TempDir()
	r := &repo{t: t, bare: filepath.Join(dir, "repo.git"), work: filepath.Join(dir, "work")}
	r.env = append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.org")
	r.run(dir, "init", "-q", "--bare", "-b", "main", r.bare)
	r.run(r.bare, "config", "receive.denyDeleteCurrent", "ignore")
	r.run(dir, "clone", "-q", r.bare, r.work)
	return r
}

// run runs git in dir and returns what it prints.
func (r *repo) run(dir string, args ...string) string {
	r.t.Helper()
	out, err := r.try(dir, args...)
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (r *repo) try(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = r.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// git runs git in the work tree.
func (r *repo) git(args ...string) string {
	r.t.Helper()
	return r.run(r.work, args...)
}

func (r *repo) write(name, text string) {
	r.t.Helper()
	file := filepath.Join(r.work, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// commit commits all of the work tree after writing one file.
func (r *repo) commit(name, text, message string) string {
	r.t.Helper()
	r.write(name, text)
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// push commits one file and pushes it to main.
func (r *repo) push(name, text, message string) string {
	r.t.Helper()
	h := r.commit(name, text, message)
	r.git("push", "-q", "origin", "HEAD:main")
	return h
}

// config watches the bare repository and never polls by itself.
func (r *repo) config() Config {
	return Config{URL: r.bare, Dir: r.t.TempDir(), Poll: time.Hour, Log: testLog(r.t)}
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// watcher runs a Source's Watch and collects what it tells.
type watcher struct {
	t       testing.TB
	s       *Source
	updates chan Update
	stop    func()
}

// watch opens a Source and watches until the test ends or stop is called.
func watch(t testing.TB, cfg Config) *watcher {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return follows(t, s)
}

func follows(t testing.TB, s *Source) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{t: t, s: s, updates: make(chan Update, 1000)}
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(u Update) { w.updates <- u }) }()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	t.Cleanup(w.stop)
	return w
}

// patience is how long a test waits for what must come; it is no measure.
const patience = time.Minute

func (w *watcher) next() Update {
	w.t.Helper()
	select {
	case u := <-w.updates:
		return u
	case <-time.After(patience):
		w.t.Fatal("no update came")
		return Update{}
	}
}

// tip waits for a Tip of that commit, without trouble.
func (w *watcher) tip(commit string) Tip {
	w.t.Helper()
	u := w.next()
	if u.Tip == nil || u.Trouble != nil {
		w.t.Fatalf("update %s, want the tip %s", show(u), commit)
	}
	if u.Tip.Revision.Commit != commit {
		w.t.Fatalf("tip %s, want %s", u.Tip.Revision.Commit, commit)
	}
	return *u.Tip
}

// trouble waits for a Trouble of that code and no Tip.
func (w *watcher) trouble(code string) Trouble {
	w.t.Helper()
	u := w.next()
	if u.Trouble == nil || u.Tip != nil || u.Trouble.Code != code {
		w.t.Fatalf("update %s, want trouble %s", show(u), code)
	}
	if u.Trouble.Text == "" || u.Trouble.Next == "" || u.Trouble.Since.IsZero() {
		w.t.Fatalf("trouble %+v says too little", *u.Trouble)
	}
	w.t.Logf("%s: %s\n\t%s", u.Trouble.Code, u.Trouble.Text, u.Trouble.Next)
	return *u.Trouble
}

// cleared waits for the end of a trouble without a new Tip.
func (w *watcher) cleared() {
	w.t.Helper()
	if u := w.next(); u.Tip != nil || u.Trouble != nil {
		w.t.Fatalf("update %s, want only the trouble's end", show(u))
	}
}

// quiet looks once more and wants nothing new to be told before it.
func (w *watcher) quiet() {
	w.t.Helper()
	if n := len(w.updates); n > 0 {
		w.t.Fatalf("unexpected update %s", show(<-w.updates))
	}
}

func show(u Update) string {
	text := "{"
	if u.Tip != nil {
		text += "tip " + u.Tip.Revision.Commit
	}
	if u.Trouble != nil {
		text += " trouble " + u.Trouble.Code + ": " + u.Trouble.Text
	}
	return text + "}"
}
