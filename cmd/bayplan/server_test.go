package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/server"
	"github.com/bayplan/bayplan/reconciler/source"
)

// site is a server in this process, with a ledger of its own, that follows a
// repository on disk.
type site struct {
	t     testing.TB
	repo  string
	ready server.Ready
}

// newSite starts the server; the first commit is made already.
func newSite(t *testing.T, evalTimeout time.Duration) *site {
	return newSiteWith(t, func(_ *site, cfg *server.Config) { cfg.EvalTimeout = evalTimeout })
}

func newSiteWith(t testing.TB, set func(*site, *server.Config)) *site {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	dir := t.TempDir()
	s := &site{t: t, repo: filepath.Join(dir, "repo")}
	s.git("init", "-q", "-b", "main", s.repo)
	s.commit("shop/web.yaml", workload("web:1"))
	ready := filepath.Join(dir, "ready", "ready.json")
	if err := os.Mkdir(filepath.Dir(ready), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	cfg := server.Config{Dir: filepath.Join(dir, "server"), Listen: "127.0.0.1:0", ReadyFile: ready,
		Source: source.Config{URL: s.repo, Branch: "main"}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	set(s, &cfg)
	appears := fileIn(t, filepath.Dir(ready))
	go func() { ended <- server.Run(ctx, cfg, io.Discard) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s.await(appears, ready, ended)
	return s
}

// fileIn yields when something changes in a folder.
func fileIn(t testing.TB, dir string) *fsnotify.Watcher {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := w.Add(dir); err != nil {
		t.Fatal(err)
	}
	return w
}

func (s *site) await(w *fsnotify.Watcher, file string, ended chan error) {
	s.t.Helper()
	for {
		text, err := os.ReadFile(file)
		if err == nil {
			if err := json.Unmarshal(text, &s.ready); err != nil {
				s.t.Fatal(err)
			}
			return
		}
		select {
		case <-w.Events:
		case err := <-ended:
			ended <- err
			s.t.Fatalf("the server ended: %v", err)
		}
	}
}

func workload(image string) string {
	return "workloads: {web: {kind: service, image: \"127.0.0.1:1/" + image + "\", resources: {cpu: 10m, memory: 8Mi}}}\n"
}

func (s *site) git(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", filepath.Dir(s.repo)}, args...)...)
	if len(args) > 0 && args[0] != "init" {
		cmd.Args[2] = s.repo
	}
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+filepath.Dir(s.repo),
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit moves the branch at once, which the server follows.
func (s *site) commit(name, text string) string {
	s.t.Helper()
	s.write(name, text)
	s.git("add", "-A")
	s.git("commit", "-q", "-m", name)
	return s.git("rev-parse", "HEAD")
}

func (s *site) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.repo, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		s.t.Fatal(err)
	}
}

// bayplan runs a verb against the server.
func (s *site) bayplan(args ...string) (exit.Code, string, string) {
	var out bytes.Buffer
	code, talk := s.run(s.t.Context(), &out, args...)
	return code, out.String(), talk
}

func (s *site) run(ctx context.Context, out io.Writer, args ...string) (exit.Code, string) {
	var talk bytes.Buffer
	root := newRoot()
	root.SetArgs(append(args, "--server", s.ready.URL, "--ca", s.ready.CA, "--cert", s.ready.Cert, "--key", s.ready.Key))
	root.SetOut(out)
	root.SetErr(&talk)
	return run(ctx, root), talk.String()
}

// Whoever pushed a commit can wait for it, also where the push had others after
// it, or merged it.
func TestServer_CommitsPassedOverAreSuperseded(t *testing.T) {
	s := newSite(t, 0)
	if code, _, talk := s.bayplan("plan", s.repo); code != exit.Unplaced {
		t.Fatalf("code %d: %s", code, talk)
	}
	s.git("checkout", "-q", "-b", "side")
	one, two := s.commit("shop/a.yaml", "workloads: {}\n"), s.commit("shop/a.yaml", "workloads: {} # 2\n")
	s.git("checkout", "-q", "main")
	s.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	for _, commit := range []string{one, two} {
		code, out, talk := s.bayplan("status", "--wait", "--revision", commit, "--timeout", "20s")
		if code != exit.Failure || !strings.Contains(talk, commit[:10]+" is Superseded") {
			t.Errorf("code %d: %s%s", code, out, talk)
		}
	}
}

// I13, I27: a folder that takes too long to evaluate fails for its own team,
// and says so; the others go on.
func TestServer_CostlyFolderHoldsNobodyElse(t *testing.T) {
	s := newSite(t, time.Second)
	s.write("hog/hog.cue", hog(400))
	s.commit("shop/api.yaml", strings.Replace(workload("api:1"), "web", "api", 1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &seeks{texts: []string{"hog: evaluating the folder was stopped: it took more than ", `"name":"shop/api"`}, found: cancel}
	code, talk := s.run(ctx, out, "status", "-w", "-o", "json")
	if code != exit.Fine {
		t.Errorf("code %d: %s%s", code, out, talk)
	}
}

// seeks calls found with the first line that has all the texts.
type seeks struct {
	bytes.Buffer
	texts []string
	found func()
}

func (s *seeks) Write(line []byte) (int, error) {
	if !slices.ContainsFunc(s.texts, func(t string) bool { return !bytes.Contains(line, []byte(t)) }) {
		s.found()
	}
	return s.Buffer.Write(line)
}
