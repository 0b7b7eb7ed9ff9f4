package pack

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"slices"
)

// WriteIndex writes the pack's index, version 2, as `git index-pack` does.
func (p *Pack) WriteIndex(w io.Writer) error {
	sorted := make([]*object, len(p.objects))
	for i := range p.objects {
		sorted[i] = &p.objects[i]
	}
	slices.SortFunc(sorted, func(a, b *object) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	sum := sha1.New()
	out := bufio.NewWriter(w)
	x := &indexWriter{w: io.MultiWriter(out, sum)}
	x.bytes([]byte("\377tOc"))
	x.number(2)
	x.fanout(sorted)
	for _, o := range sorted {
		x.bytes(o.hash[:])
	}
	for _, o := range sorted {
		x.number(o.crc)
	}
	x.offsets(sorted)
	x.bytes(p.sum[:])
	x.bytes(sum.Sum(nil))
	if x.err != nil {
		return x.err
	}
	return out.Flush()
}

// indexWriter keeps the first error.
type indexWriter struct {
	w   io.Writer
	err error
}

func (x *indexWriter) bytes(b []byte) {
	if x.err == nil {
		_, x.err = x.w.Write(b)
	}
}

func (x *indexWriter) number(n uint32) { x.bytes(binary.BigEndian.AppendUint32(nil, n)) }

// fanout is, for each first byte, how many names begin with it or a lower one.
func (x *indexWriter) fanout(sorted []*object) {
	n := 0
	for b := range 256 {
		for n < len(sorted) && int(sorted[n].hash[0]) <= b {
			n++
		}
		x.number(uint32(n))
	}
}

// offsets are 31 bits, or the number of one in a table of those that are longer.
func (x *indexWriter) offsets(sorted []*object) {
	var long []int64
	for _, o := range sorted {
		if o.at < 1<<31 {
			x.number(uint32(o.at))
			continue
		}
		x.number(1<<31 | uint32(len(long)))
		long = append(long, o.at)
	}
	for _, at := range long {
		x.bytes(binary.BigEndian.AppendUint64(nil, uint64(at)))
	}
}
