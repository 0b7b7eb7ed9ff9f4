package logs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/logs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, size int64, files int) *logs.Writer {
	t.Helper()
	w, err := logs.Open(dir, bundle.Log{FileSize: size, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func read(t testing.TB, dir string, o logs.Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := logs.Read(t.Context(), dir, o, &b, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRead_GivesWhatWasWritten(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, 1<<20, 2)
	for _, p := range []string{"one\ntw", "o\n", "", "\n\nth", "ree"} {
		w.Write(logs.Stdout, []byte(p))
	}
	w.Write(logs.Stderr, []byte("!\n"))
	if got, want := read(t, dir, logs.Options{Tail: -1}), "one\ntwo\n\n\nthree!\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	files, _ := os.ReadDir(dir)
	text, _ := os.ReadFile(filepath.Join(dir, files[0].Name()))
	if line, _, _ := strings.Cut(string(text), "\n"); !strings.HasSuffix(line, "Z stdout F one") || len(line) != len("2006-01-02T15:04:05.000000000Z stdout F one") {
		t.Errorf("the first record is %q", line)
	}
}

func TestRead_OfNoFolderIsEmpty(t *testing.T) {
	if got := read(t, filepath.Join(t.TempDir(), "none"), logs.Options{Tail: 3}); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestRead_TailOverFilesAndOpenLines(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, 300, 100)
	var all []string
	for i := range 50 {
		line := fmt.Sprintf("line %d", i)
		w.Write(logs.Stdout, []byte(line[:4]))
		w.Write(logs.Stdout, []byte(line[4:]+"\n"))
		all = append(all, line+"\n")
	}
	w.Write(logs.Stdout, []byte("open"))
	all = append(all, "open")
	for tail := range len(all) + 3 {
		want := strings.Join(all[max(0, len(all)-tail):], "")
		if got := read(t, dir, logs.Options{Tail: tail}); got != want {
			t.Errorf("tail %d is %q, want %q", tail, got, want)
		}
	}
}

func TestRead_SinceAndTimestamps(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, 1<<20, 2)
	w.Write(logs.Stdout, []byte("old\nbeg"))
	first, _, _ := strings.Cut(read(t, dir, logs.Options{Tail: 1, Timestamps: true}), " ")
	written, err := time.Parse(time.RFC3339Nano, first)
	if err != nil {
		t.Fatal(err)
	}
	since := written.Add(1)
	w.Write(logs.Stdout, []byte("un\nnew\n"))
	if got := read(t, dir, logs.Options{Tail: -1, Since: since}); got != "new\n" {
		t.Errorf("since: %q", got)
	}
	lines := strings.Split(read(t, dir, logs.Options{Tail: -1, Timestamps: true}), "\n")
	for i, want := range []string{"old", "begun", "new"} {
		at, text, _ := strings.Cut(lines[i], " ")
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil || text != want {
			t.Errorf("line %d is %q, %v", i, lines[i], err)
		}
	}
}

func TestWriter_KeepsItsBounds(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, 10_000, 3)
	for i := range 5000 {
		fmt.Fprintf(stream{w}, "line %d\n", i)
	}
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if info, _ := f.Info(); info.Size() > 10_000 {
			t.Errorf("%s has %d bytes", f.Name(), info.Size())
		}
	}
	if len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
	if got := read(t, dir, logs.Options{Tail: 2}); got != "line 4998\nline 4999\n" {
		t.Errorf("the end is %q", got)
	}
}

// stream is stdout of a Writer.
type stream struct{ *logs.Writer }

func (s stream) Write(p []byte) (int, error) { s.Writer.Write(logs.Stdout, p); return len(p), nil }

func TestWriter_ContinuesAfterATornRecord(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, 1<<20, 2)
	w.Write(logs.Stdout, []byte("whole\n"))
	w.Close()
	f, err := os.OpenFile(filepath.Join(dir, "00000001.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "2026-11-22T22:1")
	f.Close()
	open(t, dir, 1<<20, 2).Write(logs.Stdout, []byte("next life\n"))
	if got := read(t, dir, logs.Options{Tail: -1}); got != "whole\nnext life\n" {
		t.Errorf("got %q", got)
	}
}

// TestWriter_OnAFullDisk fills a file system of its own.
func TestWriter_OnAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("no tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	filler := filepath.Join(disk, "filler")
	dir := filepath.Join(disk, "log")
	w := open(t, dir, 1<<20, 2)
	w.Write(logs.Stdout, []byte("before\n"))
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	w.Write(logs.Stdout, bytes.Repeat([]byte("lost\n"), 1000))
	os.Remove(filler)
	w.Write(logs.Stdout, []byte("after\n"))
	got := read(t, dir, logs.Options{Tail: -1})
	if !strings.HasPrefix(got, "before\n") || !strings.HasSuffix(got, "no space left on device\nafter\n") || !strings.Contains(got, "[bayplan] 5000 bytes of output are missing here") {
		t.Errorf("got %.300q…%.200q", got, got[max(0, len(got)-200):])
	}
}

// follower collects what Read writes and tells of each piece.
type follower struct {
	mu   sync.Mutex
	b    bytes.Buffer
	news chan struct{}
}

func (f *follower) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.b.Write(p)
	select {
	case f.news <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (f *follower) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.String()
}

// TestRead_FollowsOverRotations writes for as long as the follower keeps up with
// what is kept.
func TestRead_FollowsOverRotations(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, 2_000, 4)
	more, done := make(chan struct{}, 1), make(chan error, 1)
	f := &follower{news: make(chan struct{}, 1)}
	go func() { done <- logs.Read(t.Context(), dir, logs.Options{Follow: true, Tail: -1}, f, more) }()
	var want strings.Builder
	for i := range 400 {
		line := fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", i%97))
		cut := i % len(line)
		want.WriteString(line)
		w.Write(logs.Stdout, []byte(line[:cut]))
		w.Write(logs.Stdout, []byte(line[cut:]))
		select {
		case more <- struct{}{}:
		default:
		}
		for i%20 == 19 && f.String() != want.String() {
			<-f.news
		}
	}
	w.Write(logs.Stdout, []byte("the end, without a newline"))
	want.WriteString("the end, without a newline")
	close(more)
	if err := <-done; err != nil || f.String() != want.String() {
		t.Errorf("followed %d bytes of %d, %v", len(f.String()), want.Len(), err)
	}
}

func TestRead_FollowEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, 0, 0).Write(logs.Stdout, []byte("x\n"))
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{news: make(chan struct{}, 1)}
	done := make(chan error, 1)
	go func() { done <- logs.Read(ctx, dir, logs.Options{Follow: true, Tail: -1}, f, nil) }()
	<-f.news
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("ended with %v", err)
	}
}

// TestLog_AnyOutputComesBack is: whatever the chunks, what is read is what was
// written, but for the newest files' bound.
func TestLog_AnyOutputComesBack(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		w, err := logs.Open(dir, bundle.Log{FileSize: rapid.Int64Range(100, 100_000).Draw(rt, "size"), Files: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		var all []byte
		chunk := rapid.OneOf(
			rapid.SliceOfN(rapid.SampledFrom([]byte("ab\n")), 0, 20),
			rapid.Custom(func(rt *rapid.T) []byte {
				return bytes.Repeat([]byte("y"), rapid.IntRange(0, 3*logs.MaxText).Draw(rt, "n"))
			}),
		)
		for _, p := range rapid.SliceOfN(chunk, 0, 12).Draw(rt, "chunks") {
			w.Write(logs.Stdout, p)
			all = append(all, p...)
		}
		if got := read(t, dir, logs.Options{Tail: -1}); got != string(all) {
			rt.Fatalf("got %d bytes of %d", len(got), len(all))
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	w := open(b, b.TempDir(), 10<<20, 3)
	chunk := bytes.Repeat([]byte(strings.Repeat("x", 99)+"\n"), 300)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		w.Write(logs.Stdout, chunk)
	}
}
