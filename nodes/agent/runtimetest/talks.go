package runtimetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/agent/runtimetest/steps"
)

// talks are about logs and commands.
var talks = []contract{
	{"Logs_WholeAndTail", logsTail},
	{"Logs_WithTimes", logsTimes},
	{"Logs_FollowEndsWithTheContainer", logsFollow},
	{"Logs_FollowEndsWithItsContext", logsFollowCancelled},
	{"Logs_OfNoContainer", logsNone},
	{"Exec_ReturnsTheCode", execCode},
	{"Exec_CarriesTheStreams", execStreams},
	{"Exec_InNoContainer", execNone},
	{"Exec_SeriesLeaveEachOther", execSeries},
}

func (r *rig) logs(id string, o agent.LogOptions) string {
	r.Helper()
	var b bytes.Buffer
	r.must(r.Logs(r.ctx, id, o, &b))
	return b.String()
}

// awaitLog follows the log until it has the text.
func (r *rig) awaitLog(id, text string) {
	r.Helper()
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	w := &lookout{text: text, found: cancel}
	if err := r.Logs(ctx, id, agent.LogOptions{Follow: true, Tail: -1}, w); !w.has() {
		r.Fatalf("the log of %s ended without %q (%v): %q", id, text, err, w.String())
	}
}

// lookout is a writer that calls found once it has the text.
type lookout struct {
	text  string
	found func()

	mu  sync.Mutex
	all strings.Builder
}

func (l *lookout) Write(p []byte) (int, error) {
	l.mu.Lock()
	l.all.Write(p)
	l.mu.Unlock()
	if l.has() {
		l.found()
	}
	return len(p), nil
}

func (l *lookout) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func (l *lookout) has() bool { return strings.Contains(l.String(), l.text) }

func logsTail(r *rig) {
	c := r.container("job", 0, "print", "5")
	r.run(c)
	r.awaitExit(c.ID)
	for tail, want := range map[int]string{
		-1: "line 1\nline 2\nline 3\nline 4\nline 5\n",
		2:  "line 4\nline 5\n",
		0:  "",
		9:  "line 1\nline 2\nline 3\nline 4\nline 5\n",
	} {
		if got := r.logs(c.ID, agent.LogOptions{Tail: tail}); got != want {
			r.Errorf("tail %d is %q, want %q", tail, got, want)
		}
	}
	if got := r.logs(c.ID, agent.LogOptions{Tail: -1, Since: time.Now().Add(time.Hour)}); got != "" {
		r.Errorf("since later than now there is %q", got)
	}
}

func logsTimes(r *rig) {
	c := r.container("job", 0, "echo", "hello")
	s := r.run(c)
	r.awaitExit(c.ID)
	at, text, _ := strings.Cut(r.logs(c.ID, agent.LogOptions{Tail: -1, Timestamps: true}), " ")
	when, err := time.Parse(time.RFC3339Nano, at)
	if text != "hello\n" || err != nil || when.Before(s.Started.Add(-time.Second)) {
		r.Errorf("a line with its time is %q %q (started %v), %v", at, text, s.Started, err)
	}
}

func logsFollow(r *rig) {
	c := r.container("web", 0, "print", "2", "sleep")
	r.run(c)
	r.awaitLog(c.ID, "line 2\n")
	done := make(chan error, 1)
	var b bytes.Buffer
	go func() { done <- r.Logs(r.ctx, c.ID, agent.LogOptions{Follow: true, Tail: -1}, &b) }()
	r.must(r.Stop(r.ctx, c.ID, "SIGTERM", patience))
	r.must(<-done)
	if !strings.HasPrefix(b.String(), "line 1\nline 2\n") {
		r.Errorf("followed to the end: %q", b.String())
	}
}

func logsFollowCancelled(r *rig) {
	c := r.container("web", 0, "print", "1", "sleep")
	r.run(c)
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	w := &lookout{text: "line 1\n", found: cancel}
	if err := r.Logs(ctx, c.ID, agent.LogOptions{Follow: true, Tail: -1}, w); !errors.Is(err, context.Canceled) {
		r.Errorf("following until cancelled ended with %v after %q", err, w.String())
	}
}

func logsNone(r *rig) {
	if err := r.Logs(r.ctx, "team/none.0@0", agent.LogOptions{Tail: -1}, io.Discard); err == nil {
		r.Error("a container that is not there has a log")
	}
}

func execCode(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	for _, want := range []int{0, 7} {
		code, err := r.Exec(r.ctx, c.ID, agent.Exec{Command: []string{steps.Path, "exit", string(rune('0' + want))}})
		if err != nil || code != want {
			r.Errorf("exit %d: %d, %v", want, code, err)
		}
	}
}

func execStreams(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	var out bytes.Buffer
	code, err := r.Exec(r.ctx, c.ID, agent.Exec{
		Command: []string{steps.Path, "echo", "begin", "cat", "echo", "end"},
		Stdin:   strings.NewReader("some\ntext\n"), Stdout: &out,
	})
	if err != nil || code != 0 || out.String() != "begin\nsome\ntext\nend\n" {
		r.Errorf("%d, %v, %q", code, err, out.String())
	}
}

// A check that comes again and again ends nothing of another series.
func execSeries(r *rig) {
	c := r.container("web", 0, "sleep")
	r.run(c)
	input, more := io.Pipe()
	out := &lookout{text: "begin\n"}
	begun := make(chan struct{})
	out.found = sync.OnceFunc(func() { close(begun) })
	type end struct {
		code int
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		code, err := r.Exec(r.ctx, c.ID, agent.Exec{
			Command: []string{steps.Path, "echo", "begin", "cat", "echo", "end", "exit", "5"},
			Stdin:   input, Stdout: out, Single: true, Series: "step",
		})
		ended <- end{code, err}
	}()
	select {
	case <-begun:
	case e := <-ended:
		r.Fatalf("the step ended with %d, %v: %q", e.code, e.err, out)
	}
	for range 2 {
		if code, err := r.Exec(r.ctx, c.ID, agent.Exec{Command: []string{steps.Path, "exit", "7"}, Single: true}); code != 7 || err != nil {
			r.Errorf("the check beside it: %d, %v", code, err)
		}
	}
	r.must(more.Close())
	if e := <-ended; e.code != 5 || e.err != nil || out.String() != "begin\nend\n" {
		r.Errorf("the step: %d, %v, %q", e.code, e.err, out)
	}
}

func execNone(r *rig) {
	c := r.container("job", 0, "exit", "0")
	if _, err := r.Exec(r.ctx, c.ID, agent.Exec{Command: []string{steps.Path}}); err == nil {
		r.Error("a command ran in no container")
	}
	r.run(c)
	r.awaitExit(c.ID)
	if _, err := r.Exec(r.ctx, c.ID, agent.Exec{Command: []string{steps.Path}}); err == nil {
		r.Error("a command ran in a container that ended")
	}
}
