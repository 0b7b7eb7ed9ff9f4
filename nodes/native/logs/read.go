package logs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Options choose a part of a log.
type Options struct {
	// Follow goes on with what comes, until there will be no more.
	Follow bool
	// Tail is how many of the last lines to begin with; negative is all.
	Tail int
	// Since leaves out what is older; zero is all.
	Since time.Time
	// Timestamps puts the time before each line.
	Timestamps bool
}

// Read copies the log of a folder to out, both streams merged as they came.
// With Follow it waits, at the end of what is there, for more to yield: that
// says "look again", and may come for nothing. When more is closed it reads what
// is left and returns. Without Follow more is not used, and what is written
// after the beginning of Read is left out. A folder that is missing is an empty
// log.
func Read(ctx context.Context, dir string, o Options, out io.Writer, more <-chan struct{}) error {
	begin, end, err := span(dir, o.Tail)
	if err != nil {
		return err
	}
	r := &reader{dir: dir, next: begin.file, from: begin.size, printer: newPrinter(o, out, begin.skip)}
	defer r.close()
	if !o.Follow {
		if err := r.until(ctx, end); err != nil {
			return err
		}
		return r.printer.flush()
	}
	return r.follow(ctx, more)
}

// reader goes through the files of a log.
type reader struct {
	dir     string
	printer *printer
	// next is the least number that the next file may have.
	next int
	// from is where to begin in the first file.
	from int64

	file *os.File // nil between files
	// buf holds what was read and not yet printed: a part of a record.
	buf []byte
}

func (r *reader) close() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// follow prints all that there is and waits, in turns.
func (r *reader) follow(ctx context.Context, more <-chan struct{}) error {
	for open := true; ; {
		if err := r.drain(ctx); err != nil {
			return err
		}
		if err := r.printer.flush(); err != nil {
			return err
		}
		if !open {
			r.endFile()
			return r.printer.flush()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, open = <-more:
		}
	}
}

// drain prints to the end of the newest file. A file is left only once it is
// known to have a successor and was read to its end after that.
func (r *reader) drain(ctx context.Context) error {
	for {
		later, err := r.later()
		if err != nil {
			return err
		}
		if r.file != nil {
			if err := r.copy(ctx, -1); err != nil {
				return err
			}
		}
		if later == 0 {
			return nil
		}
		r.endFile()
		if err := r.open(later); err != nil {
			return err
		}
	}
}

// until prints to a place that was the end of the log.
func (r *reader) until(ctx context.Context, end place) error {
	for r.next <= end.file && end.file > 0 {
		later, err := r.later()
		if err != nil || later == 0 || later > end.file {
			return err
		}
		if err := r.open(later); err != nil {
			return err
		}
		limit := int64(-1)
		if later == end.file {
			limit = end.size
		}
		if err := r.copy(ctx, limit); err != nil {
			return err
		}
		r.endFile()
	}
	return nil
}

// later is the number of the next file; zero if there is none.
func (r *reader) later() (int, error) {
	all, err := numbers(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	i, _ := slices.BinarySearch(all, r.next)
	if i == len(all) {
		return 0, nil
	}
	return all[i], nil
}

// open begins a file. One that was dropped since it was seen is passed over.
func (r *reader) open(number int) error {
	r.next = number + 1
	f, err := os.Open(path(r.dir, number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.file = f
	_, err = f.Seek(r.from, io.SeekStart)
	r.from = 0
	return err
}

// endFile prints what stands at the end of a file without an end of its own.
func (r *reader) endFile() {
	r.printer.line(r.buf)
	r.buf = r.buf[:0]
	r.close()
}

// copy prints the rest of the file, at most so many bytes of it; negative is
// all.
func (r *reader) copy(ctx context.Context, limit int64) error {
	if r.file == nil {
		return nil
	}
	var from io.Reader = r.file
	if limit >= 0 {
		from = io.LimitReader(r.file, limit)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.buf = slices.Grow(r.buf, batch)
		n, err := from.Read(r.buf[len(r.buf) : len(r.buf)+batch])
		r.buf = r.buf[:len(r.buf)+n]
		r.buf = append(r.buf[:0], r.printer.lines(r.buf)...)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.printer.err; err != nil {
			return err
		}
	}
}

// newPrinter leaves out the first skip lines.
func newPrinter(o Options, out io.Writer, skip int) *printer {
	p := &printer{out: bufio.NewWriterSize(out, batch), skip: skip, times: o.Timestamps}
	if !o.Since.IsZero() {
		p.since = stampOf(o.Since)
	}
	return p
}
