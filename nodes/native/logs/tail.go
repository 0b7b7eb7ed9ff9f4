package logs

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
)

// place is a point in a log: so many bytes, and then lines, into a file.
type place struct {
	file int
	skip int
	size int64
}

// span is where the last lines of a log begin and where it ends now. It reads no
// more files than it must.
func span(dir string, tail int) (begin, end place, err error) {
	all, err := numbers(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(all) == 0 {
		return place{}, place{}, nil
	}
	if err != nil {
		return place{}, place{}, err
	}
	last := all[len(all)-1]
	info, err := os.Stat(path(dir, last))
	if err != nil {
		return place{}, place{}, err
	}
	end = place{file: last, size: info.Size()}
	switch {
	case tail < 0:
		return place{file: all[0]}, end, nil
	case tail == 0:
		return end, end, nil
	}
	begin, err = lastLines(dir, all, tail, end.size)
	return begin, end, err
}

// lastLines goes back file by file until there are more than enough lines: the
// first of exactly enough may have begun in the file before.
func lastLines(dir string, all []int, want int, size int64) (place, error) {
	lines := 0
	for i := len(all) - 1; ; i-- {
		n, open, err := count(path(dir, all[i]), size)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return place{}, err
		}
		lines += n
		if i == len(all)-1 && open { // a line without its end is one too
			want--
		}
		if lines > want || i == 0 {
			return place{file: all[i], skip: max(lines-want, 0)}, nil
		}
		size = -1
	}
}

// count is how many lines end in the first size bytes of a file, and whether one
// is open at its end.
func count(name string, size int64) (lines int, open bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	var from io.Reader = f
	if size >= 0 {
		from = io.LimitReader(f, size)
	}
	in := bufio.NewReaderSize(from, batch)
	for {
		b, err := in.ReadSlice('\n')
		if n := len(b); n > 0 && b[n-1] == '\n' {
			b = b[:n-1]
		}
		if r, ok := parse(b); ok {
			open = !r.ends
			if r.ends {
				lines++
			}
		}
		if err == io.EOF {
			return lines, open, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, false, err
		}
	}
}
