package logs

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// What a bundle.Log of zeros means.
const (
	usualFileSize = 10 << 20
	usualFiles    = 3
)

// batch is how many bytes are gathered for one call of the system.
const batch = 64 << 10

// Writer appends output to a log. It may be used by both streams at once, and
// it holds no output back.
type Writer struct {
	dir    string
	bounds bundle.Log

	mu     sync.Mutex
	file   *os.File // nil after a rotation that did not come through
	number int
	size   int64
	torn   bool // the file's last record has no end
	buf    []byte
	lost   int64 // bytes of output that could not be written
	why    error // the first reason of it
}

// Open continues the log of a folder, which is made if it is missing.
func Open(dir string, bounds bundle.Log) (*Writer, error) {
	if bounds.FileSize <= 0 {
		bounds.FileSize = usualFileSize
	}
	if bounds.Files <= 0 {
		bounds.Files = usualFiles
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	all, err := numbers(dir)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	w := &Writer{dir: dir, bounds: bounds, number: 1, buf: make([]byte, 0, batch+maxRecord)}
	if len(all) > 0 {
		w.number = all[len(all)-1]
	}
	if err := w.open(); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return w, nil
}

func (w *Writer) open() error {
	f, err := os.OpenFile(path(w.dir, w.number), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	w.file, w.size, w.torn = f, info.Size(), false
	if w.size > 0 {
		var last [1]byte
		_, err := f.ReadAt(last[:], w.size-1)
		w.torn = err != nil || last[0] != '\n'
	}
	return nil
}

// Write appends what a stream gave. It cannot fail: a program does not end for
// its log. What cannot be written is counted, and a record tells of it once the
// log can be written again.
func (w *Writer) Write(s Stream, p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := stampOf(time.Now())
	given := 0 // of p, in buf and not yet written
	for len(p) > 0 {
		text, end, ends := firstLine(p)
		w.record(now, s, ends, text)
		given += end
		p = p[end:]
		if len(w.buf) >= batch {
			w.flush(now, given)
			given = 0
		}
	}
	w.flush(now, given)
}

// firstLine is what the next record of p holds, and where it ends in p.
func firstLine(p []byte) (text []byte, end int, ends bool) {
	if len(p) > MaxText {
		p = p[:MaxText+1] // a line of MaxText with its end is one record
	}
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return p[:i], i + 1, true
	}
	n := min(len(p), MaxText)
	return p[:n], n, false
}

func (w *Writer) record(now []byte, s Stream, ends bool, text []byte) {
	head := heads[s][0]
	if ends {
		head = heads[s][1]
	}
	w.buf = append(w.buf, now...)
	w.buf = append(w.buf, head...)
	w.buf = append(w.buf, text...)
	w.buf = append(w.buf, '\n')
}

// flush writes buf, which holds so many bytes of output.
func (w *Writer) flush(now []byte, given int) {
	if len(w.buf) == 0 {
		return
	}
	err := w.makeRoom(int64(len(w.buf)))
	if err == nil {
		w.confess(now)
		err = w.append(w.buf)
	}
	if err != nil {
		w.lose(given, err)
	}
	w.buf = w.buf[:0]
}

func (w *Writer) append(p []byte) error {
	if w.torn {
		n, err := w.file.Write([]byte{'\n'})
		w.size += int64(n)
		if err != nil {
			return err
		}
		w.torn = false
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	w.torn = n > 0 && n < len(p) && p[n-1] != '\n'
	return err
}

func (w *Writer) lose(n int, err error) {
	if w.lost == 0 {
		w.why = err
	}
	w.lost += int64(n)
}

// confess tells what was lost, if anything, before more is written.
func (w *Writer) confess(now []byte) {
	if w.lost == 0 {
		return
	}
	own := fmt.Appendf(nil, "%s%s[bayplan] %d bytes of output are missing here: %v\n", now, heads[Stderr][1], w.lost, w.why)
	if w.append(own) == nil {
		w.lost, w.why = 0, nil
	}
}

// makeRoom begins the next file where this one would grow over its bound.
func (w *Writer) makeRoom(n int64) error {
	if w.file != nil && (w.size == 0 || w.size+n <= w.bounds.FileSize) {
		return nil
	}
	if w.file != nil {
		w.file.Close() // nothing is buffered that this could lose
		w.file = nil
		w.number++
	}
	w.prune()
	return w.open()
}

// prune leaves place for one file more. One that stays is tried again with the
// next rotation.
func (w *Writer) prune() {
	all, err := numbers(w.dir)
	if err != nil {
		return
	}
	for len(all) > 0 && len(all) >= w.bounds.Files && all[0] < w.number {
		os.Remove(path(w.dir, all[0]))
		all = all[1:]
	}
}

// Close ends the writing. What the log could not take is forgotten.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file = nil
	return err
}
