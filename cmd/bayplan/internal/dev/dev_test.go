package dev

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

var sample = fstest.MapFS{
	"hello/web.cue": {Data: []byte("package hello\nworkloads: web: image: \"registry.example/hello:1\"\n")},
	"hello/main.go": {Data: []byte("package main\n")},
	"README.md":     {Data: []byte("sample\n")},
}

// trial is a Run with fakes for all that it does not do itself.
type trial struct {
	config  Config
	lobby   *lobby
	outcome reconciler.Outcome
	out     bytes.Buffer
	up      chan Server // yields when the sample would be waited for
	mu      sync.Mutex
	cleaned []string
	cancel  context.CancelFunc
	done    chan error
}

func newTrial(t *testing.T, dir string) *trial {
	t.Helper()
	x := &trial{lobby: newLobby(t), outcome: reconciler.Applied, up: make(chan Server, 1), done: make(chan error, 1)}
	t.Setenv("FAKE_EVENTS", x.lobby.path)
	x.config = Config{
		Dir: dir, Nodes: 2, Runtime: "docker", Listen: "127.0.0.1:0", Executable: self(), Sample: sample,
		Engine: func(context.Context) (string, error) { return "fake 1.0", nil },
		Watch:  x.watch,
		Clean: func(_ context.Context, cluster string, nodes []Node, volumes bool) error {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.cleaned = []string{cluster}
			for _, n := range nodes {
				x.cleaned = append(x.cleaned, n.Name)
			}
			if volumes {
				x.cleaned = append(x.cleaned, "volumes")
			}
			return nil
		},
		Out: &x.out, Talk: testWriter{t}, Hurry: make(chan struct{}),
	}
	return x
}

// watch shows nodes that are ready, then the repository's tip as applied.
func (x *trial) watch(ctx context.Context, s Server, done func(*status.Status) bool) error {
	st := &status.Status{Nodes: []status.Node{{State: "ready"}, {State: "ready"}}}
	if done(st) {
		return nil
	}
	commit, err := head(ctx, filepath.Join(filepath.Dir(filepath.Dir(s.CA)), "repo.git"))
	if err != nil {
		return err
	}
	st.Revision = status.Revision{Commit: commit, Outcome: x.outcome, Reason: "as told"}
	if !done(st) {
		return errors.New("not done")
	}
	x.up <- s
	return nil
}

func (x *trial) start(t *testing.T) {
	var ctx context.Context
	ctx, x.cancel = context.WithCancel(t.Context())
	go func() { x.done <- Run(ctx, x.config) }()
}

// stop ends it and wants it to have ended well.
func (x *trial) stop(t *testing.T) {
	t.Helper()
	x.cancel()
	if err := <-x.done; err != nil {
		t.Error(err)
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

func TestRun_ClusterComesUpAndLeavesNothing(t *testing.T) {
	x := newTrial(t, "")
	t.Setenv("TMPDIR", t.TempDir())
	x.start(t)
	server := <-x.up
	said := []string{}
	for range 3 {
		said = append(said, line(t, <-x.lobby.conns))
	}
	slices.Sort(said)
	if want := []string{"n1 up", "n2 up", "server up"}; !slices.Equal(said, want) {
		t.Errorf("children: %v", said)
	}
	x.stop(t)
	for _, want := range []string{"The sample is up", "Applied", server.URL, "git clone ", "bayplan status -w"} {
		if !strings.Contains(x.out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &x.out)
		}
	}
	if !slices.Equal(x.cleaned, []string{"dev-1234", "n1", "n2", "volumes"}) {
		t.Errorf("cleaned %v", x.cleaned)
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRun_AgentsStopBeforeTheServer(t *testing.T) {
	x := newTrial(t, t.TempDir())
	x.config.Nodes = 1
	x.start(t)
	<-x.up
	server, agent := <-x.lobby.conns, <-x.lobby.conns
	if line(t, server) != "server up" || line(t, agent) != "n1 up" {
		t.Fatal("the server is first")
	}
	hold := make(chan string)
	go func() { hold <- line(t, agent) }()
	x.cancel()
	if got := <-hold; got != "n1 down" {
		t.Errorf("agent: %q", got)
	}
	if got := line(t, server); got != "server down" {
		t.Errorf("server: %q", got)
	}
	if err := <-x.done; err != nil {
		t.Error(err)
	}
}

func TestRun_KilledServerAndAgentComeBack(t *testing.T) {
	x := newTrial(t, t.TempDir())
	x.config.Nodes = 1
	x.start(t)
	<-x.up
	for range 2 {
		line(t, <-x.lobby.conns)
	}
	for _, name := range []string{"server", "n1"} {
		pid, err := os.ReadFile(filepath.Join(x.config.Dir, "pid", name))
		for os.IsNotExist(err) {
			pid, err = os.ReadFile(filepath.Join(x.config.Dir, "pid", name))
		}
		if err != nil {
			t.Fatal(err)
		}
		kill(t, strings.TrimSpace(string(pid)))
		if got := line(t, <-x.lobby.conns); got != name+" up" {
			t.Errorf("after the kill of %s: %q", name, got)
		}
	}
	x.stop(t)
}

func TestRun_FolderIsUsedAgainWithItsPortsAndCommits(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "node7"), 0o755); err != nil { // as if there had been more nodes once
		t.Fatal(err)
	}
	var urls, images []string
	for range 2 {
		x := newTrial(t, dir)
		x.start(t)
		urls = append(urls, (<-x.up).URL)
		images = append(images, shell(t, dir, `. ./env && echo "$BAYPLAN_DEMO_IMAGE"`))
		x.stop(t)
		if !slices.Equal(x.cleaned, []string{"dev-1234", "n1", "n2", "n7"}) {
			t.Errorf("cleaned %v: volumes of a given folder stay", x.cleaned)
		}
		shell(t, dir, `git clone -q repo.git w && cd w && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m more && git push -q && rm -rf ../w`)
	}
	if urls[0] != urls[1] || images[0] != images[1] {
		t.Errorf("moved: %v %v", urls, images)
	}
	if n := shell(t, dir, "git -C repo.git rev-list --count main"); n != "3" {
		t.Errorf("%s commits, want 3", n)
	}
	if files := shell(t, dir, "git -C repo.git ls-tree -r --name-only main"); files != "README.md\nhello/web.cue" {
		t.Errorf("files:\n%s", files)
	}
	if text := shell(t, dir, "git -C repo.git show main:hello/web.cue"); !strings.Contains(text, `image: "`+images[0]+`:1"`) {
		t.Errorf("image in the sample:\n%s", text)
	}
}

func TestRun_EnvIsWhatAShellNeeds(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///elsewhere.sock")
	dir := filepath.Join(t.TempDir(), "it's here")
	x := newTrial(t, dir)
	x.start(t)
	server := <-x.up
	got := shell(t, dir, `. ./env && echo "$BAYPLAN_SERVER $BAYPLAN_CA $BAYPLAN_CERT $BAYPLAN_KEY" && echo "$PATH" && grep DOCKER_HOST env`)
	x.stop(t)
	vars, path, _ := strings.Cut(got, "\n")
	if want := server.URL + " " + server.CA + " " + server.Cert + " " + server.Key; vars != want {
		t.Errorf("got  %s\nwant %s", vars, want)
	}
	if !strings.HasPrefix(path, filepath.Dir(self())+":") || !strings.Contains(path, "unix:///elsewhere.sock") {
		t.Errorf("PATH=%s", path)
	}
}

func TestRun_SecondInOneFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	x := newTrial(t, dir)
	x.start(t)
	<-x.up
	err := Run(t.Context(), newTrial(t, dir).config)
	if err == nil || !strings.Contains(err.Error(), "in use by another bayplan dev") {
		t.Errorf("got %v", err)
	}
	x.stop(t)
}

func TestRun_ServerThatDiesIsToldWithItsLog(t *testing.T) {
	t.Setenv("FAKE_SERVER", "dies")
	x := newTrial(t, t.TempDir())
	err := Run(t.Context(), x.config)
	if err == nil || !strings.Contains(err.Error(), "the disk is on fire") {
		t.Errorf("got %v", err)
	}
	if len(x.cleaned) > 0 {
		t.Errorf("cleaned %v, though no server ever ran", x.cleaned)
	}
}

func TestRun_NoEngineEndsAllAtOnce(t *testing.T) {
	want := errors.New("no Docker Engine answers")
	x := newTrial(t, t.TempDir())
	x.config.Engine = func(context.Context) (string, error) { return "", want }
	x.config.Watch = func(ctx context.Context, _ Server, _ func(*status.Status) bool) error {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := Run(t.Context(), x.config); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

func TestRun_BadEndOfTheSampleKeepsTheClusterUp(t *testing.T) {
	x := newTrial(t, t.TempDir())
	x.outcome = reconciler.RolledBack
	x.start(t)
	<-x.up
	x.stop(t)
	if !strings.Contains(x.out.String(), "RolledBack: as told") || strings.Contains(x.out.String(), "is up") {
		t.Errorf("said:\n%s", &x.out)
	}
}

func TestConfig_WrongOnesAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"--nodes 0":            func(c *Config) { c.Nodes = 0 },
		"--nodes 51":           func(c *Config) { c.Nodes = 51 },
		`--runtime "podman"`:   func(c *Config) { c.Runtime = "podman" },
		`--listen "nowhere"`:   func(c *Config) { c.Listen = "nowhere" },
		"a field of Config":    func(c *Config) { c.Watch = nil },
		"the server's address": func(c *Config) { c.Listen = "192.0.2.1:1" },
	} {
		x := newTrial(t, t.TempDir())
		change(&x.config)
		if err := Run(t.Context(), x.config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestInitRepository_NoGitSaysHowToInstallIt(t *testing.T) {
	t.Setenv("PATH", "")
	err := initRepository(t.Context(), filepath.Join(t.TempDir(), "r.git"))
	if err == nil || !strings.Contains(err.Error(), "apt-get install git") {
		t.Errorf("got %v", err)
	}
}

func TestQuote_IsOneWordOfAShell(t *testing.T) {
	for _, text := range []string{"", "/plain/path-1.2", "a b", "it's", "$HOME", "a\nb", `back\slash`} {
		if got := shell(t, "", "printf %s "+quote(text)); got != strings.TrimSpace(text) {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.Command("bash", "-ec", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}
