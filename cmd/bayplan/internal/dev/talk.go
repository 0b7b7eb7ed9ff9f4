package dev

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
)

// talk tells a person what happens, each line with the seconds since the start.
type talk struct {
	mu    sync.Mutex
	w     io.Writer
	began time.Time
}

func newTalk(w io.Writer) *talk { return &talk{w: w, began: time.Now()} }

func (t *talk) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%6.2fs  %s\n", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
}

// awaitNodes waits until every node is ready, but not for ever.
func (d *cluster) awaitNodes(ctx context.Context, s Server) error {
	bound, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	ready := 0
	err := d.Watch(bound, s, func(st *status.Status) bool {
		ready = readyNodes(st)
		return ready >= d.Nodes
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && bound.Err() == nil:
		return fmt.Errorf("waiting for the nodes: %w", err)
	}
	d.talk.say("nodes: %d of %d ready", ready, d.Nodes)
	return nil
}

// awaitSample waits until the commit has reached its end and says what to do
// next. A bad end is no error: the cluster is there to look into it.
func (d *cluster) awaitSample(ctx context.Context, s Server, commit string) error {
	bound, cancel := context.WithTimeout(ctx, healthyLimit)
	defer cancel()
	var outcome string
	var good bool
	err := d.Watch(bound, s, func(st *status.Status) (done bool) {
		outcome, good, done = settled(st, commit)
		return done
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case bound.Err() != nil:
		outcome = fmt.Sprintf("commit %.10s is still under way after %s", commit, healthyLimit)
	case err != nil:
		return fmt.Errorf("waiting for commit %.10s: %w", commit, err)
	case good:
		outcome = fmt.Sprintf("The sample is up after %.1f s: %s", time.Since(d.talk.began).Seconds(), outcome)
	}
	_, err = io.WriteString(d.Out, d.next(s, outcome))
	return err
}

// next is what a person reads once the cluster is up.
func (d *cluster) next(s Server, outcome string) string {
	return fmt.Sprintf(`
%s

  repository  %s
  server      %s
  logs        %s

Next, in another terminal:

  source %s
  git clone %s hello && bayplan status -w

Ctrl-C here stops everything.
`, outcome, d.repository(), s.URL, d.folder.join("log"), quote(d.folder.join("env")), quote(d.repository()))
}

// env is a shell file with all that the client's verbs need, and the docker
// command if the engine is not where that would look for it.
func (d *cluster) env(s Server) string {
	var b strings.Builder
	for _, kv := range [][2]string{
		{"BAYPLAN_SERVER", s.URL}, {"BAYPLAN_CA", s.CA}, {"BAYPLAN_CERT", s.Cert}, {"BAYPLAN_KEY", s.Key},
		{"BAYPLAN_DEMO_IMAGE", d.registry.Image()}, {"DOCKER_HOST", os.Getenv("DOCKER_HOST")},
	} {
		if kv[1] != "" {
			fmt.Fprintf(&b, "export %s=%s\n", kv[0], quote(kv[1]))
		}
	}
	fmt.Fprintf(&b, "export PATH=%s:\"$PATH\"\n", quote(filepath.Dir(d.Executable)))
	return b.String()
}

// quote makes one word of text for a shell, left bare where that reads better.
func quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:@%+,=", r)
	}
	if text != "" && strings.TrimFunc(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
