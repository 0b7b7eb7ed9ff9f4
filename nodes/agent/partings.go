package agent

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes"
)

// partings are the ends of what a job's attempts wrote that were stopped and so
// removed, in a folder of the agent's: whoever asks what became of a run wants to
// read them. An attempt that ended by itself keeps its container, and its log.
type partings struct {
	dir string
	// mu is held while the folder changes.
	mu sync.Mutex
}

// What is kept of one log, and of how many, the newest.
const (
	partingLines = 5000
	partingBytes = 256 << 10
	partingFiles = 100
)

func (p *partings) path(id string) string { return filepath.Join(p.dir, url.PathEscape(id)) }

// part keeps the log of an attempt that is about to be removed, or forgets it with
// its run.
func (p *partings) part(ctx context.Context, r Runtime, o *nodes.Order) error {
	if !o.Workload.Kind.Runs() {
		return nil
	}
	if o.Reason == nodes.NotKept {
		return ignoreMissing(os.Remove(p.path(o.ID)))
	}
	ctx, cancel := context.WithTimeout(ctx, tailTimeout)
	defer cancel()
	text := &ending{most: partingBytes}
	if err := r.Logs(ctx, o.ID, LogOptions{Tail: partingLines, Timestamps: true}, text); err != nil && len(text.buf) == 0 {
		return nil // it never wrote, or is gone: a removal that is tried again
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	tmp := filepath.Join(p.dir, ".tmp")
	if err := os.WriteFile(tmp, text.lines(), 0o600); err != nil {
		return err
	}
	return errors.Join(os.Rename(tmp, p.path(o.ID)), p.bound())
}

// bound removes the oldest beyond so many; mu is held.
func (p *partings) bound() error {
	files, err := os.ReadDir(p.dir)
	if err != nil || len(files) <= partingFiles {
		return err
	}
	age := func(f os.DirEntry) (t time.Time) {
		if info, err := f.Info(); err == nil {
			t = info.ModTime()
		}
		return t
	}
	slices.SortFunc(files, func(a, b os.DirEntry) int { return cmp.Or(age(a).Compare(age(b)), strings.Compare(a.Name(), b.Name())) })
	for _, f := range files[:len(files)-partingFiles] {
		err = errors.Join(err, os.Remove(filepath.Join(p.dir, f.Name())))
	}
	return err
}

// copy writes what is kept of an attempt; false where nothing is.
func (p *partings) copy(id string, o LogOptions, w io.Writer) (kept bool, err error) {
	b, err := os.ReadFile(p.path(id))
	if err != nil {
		return false, ignoreMissing(err)
	}
	var lines [][]byte
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		stamp, text, _ := bytes.Cut(s.Bytes(), []byte(" "))
		when, err := time.Parse(time.RFC3339Nano, string(stamp))
		if err == nil && when.Before(o.Since) {
			continue
		}
		if o.Timestamps {
			text = s.Bytes()
		}
		lines = append(lines, append(bytes.Clone(text), '\n'))
	}
	if o.Tail >= 0 {
		lines = lines[max(0, len(lines)-o.Tail):]
	}
	_, err = w.Write(bytes.Join(lines, nil))
	return true, err
}

// ending keeps the last bytes that are written to it.
type ending struct {
	buf  []byte
	most int
}

func (e *ending) Write(b []byte) (int, error) {
	e.buf = append(e.buf, b...)
	if over := len(e.buf) - e.most; over > e.most { // now and then, not for each line
		e.buf = append(e.buf[:0], e.buf[over:]...)
	}
	return len(b), nil
}

// lines are whole ones.
func (e *ending) lines() []byte {
	if len(e.buf) <= e.most {
		return e.buf
	}
	_, whole, _ := bytes.Cut(e.buf[len(e.buf)-e.most:], []byte("\n"))
	return whole
}

// heardOf notes whether anything was written.
type heardOf struct {
	io.Writer
	some bool
}

func (h *heardOf) Write(b []byte) (int, error) {
	h.some = true
	return h.Writer.Write(b)
}
