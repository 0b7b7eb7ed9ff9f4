package logs

import (
	"bufio"
	"bytes"
)

// printer turns records into what a person asked to see.
type printer struct {
	out *bufio.Writer
	err error // the first of out
	// skip is how many lines are still to be left out.
	skip  int
	since []byte // a stamp; empty is all
	times bool
	// within is whether a stream's last record was the beginning of a line, and
	// hidden whether that line is left out.
	within, hidden [streams]bool
}

// lines prints each whole line of p and returns the rest of it.
func (p *printer) lines(b []byte) (rest []byte) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		p.line(b[:i])
		b = b[i+1:]
	}
	if len(b) > maxRecord { // no Writer wrote it
		return nil
	}
	return b
}

// line prints one record; what is none is passed over.
func (p *printer) line(b []byte) {
	r, ok := parse(b)
	if !ok {
		return
	}
	if p.skip > 0 {
		if r.ends {
			p.skip--
		}
		return
	}
	begins := !p.within[r.stream]
	p.within[r.stream] = !r.ends
	if begins {
		p.hidden[r.stream] = r.before(p.since)
	}
	if p.hidden[r.stream] {
		return
	}
	if begins && p.times {
		p.write(r.stamp)
		p.write([]byte{' '})
	}
	p.write(r.text)
	if r.ends {
		p.write([]byte{'\n'})
	}
}

func (p *printer) write(b []byte) {
	if _, err := p.out.Write(b); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *printer) flush() error {
	if err := p.out.Flush(); err != nil && p.err == nil {
		p.err = err
	}
	return p.err
}
