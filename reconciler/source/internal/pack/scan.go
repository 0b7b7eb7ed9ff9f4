package pack

import (
	"bytes"
	"cmp"
	"context"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zlib"
)

// reading is one Read.
type reading struct {
	ctx     context.Context
	data    []byte
	body    []byte // data without the checksum at its end
	lim     Limits
	count   int
	objects []object
	scratch []byte

	claiming sync.Mutex
	waiting  map[Hash][]int32 // deltas by the name of their base
	total    atomic.Int64
	inMemory atomic.Int64
}

// scan goes through the pack once: where each object is, and the names of those
// that are no deltas.
func (r *reading) scan() error {
	r.waiting, r.scratch = map[Hash][]int32{}, make([]byte, 64<<10)
	at := int64(headerSize)
	for range r.count {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		end, err := r.object(at)
		if err != nil {
			return err
		}
		at = end
	}
	if at != int64(len(r.body)) {
		return malformed("something follows its last object")
	}
	return nil
}

// object reads the one that begins at an offset and returns where it ends.
func (r *reading) object(at int64) (end int64, err error) {
	o := object{at: at, child: -1, next: -1}
	base, named, err := r.header(&o)
	if err != nil {
		return 0, err
	}
	in, sum := bytes.NewReader(r.body[o.body:]), hash.Hash(nil)
	if !o.kind.delta() {
		sum = hashing(o.kind, o.size)
	}
	if err := inflate(in, o.size, r.scratch, sum); err != nil {
		return 0, err
	}
	end = int64(len(r.body)) - int64(in.Len())
	o.crc = crc32.ChecksumIEEE(r.body[at:end])
	number := int32(len(r.objects))
	if sum != nil {
		sum.Sum(o.hash[:0])
	}
	r.objects = append(r.objects, o)
	switch o.kind {
	case ofsDelta:
		parent, ok := slices.BinarySearchFunc(r.objects, base, func(o object, at int64) int { return cmp.Compare(o.at, at) })
		if !ok {
			return 0, malformed("the delta at %d is on nothing", at)
		}
		r.adopt(int32(parent), number)
	case refDelta:
		r.waiting[named] = append(r.waiting[named], number)
	}
	return end, nil
}

// adopt notes that an object is a delta on another.
func (r *reading) adopt(parent, child int32) {
	r.objects[child].next = r.objects[parent].child
	r.objects[parent].child = child
}

// header reads an object's, and what a delta is on: an offset or a name.
func (r *reading) header(o *object) (base int64, named Hash, err error) {
	in := r.body[min(o.at, int64(len(r.body))):]
	size, shift, i := int64(0), 4, 1
	if len(in) == 0 {
		return 0, named, malformed("it ends in the middle")
	}
	o.kind = kind(in[0] >> 4 & 7)
	size = int64(in[0] & 15)
	for more := in[0]&0x80 != 0; more; i++ {
		if i >= len(in) || shift > 56 {
			return 0, named, malformed("the object at %d has a size that is no number", o.at)
		}
		size |= int64(in[i]&0x7f) << shift
		shift += 7
		more = in[i]&0x80 != 0
	}
	if names[o.kind] == "" && !o.kind.delta() {
		return 0, named, malformed("the object at %d has the unknown type %d", o.at, o.kind)
	}
	if size > r.lim.Object {
		return 0, named, &ExcessError{"bytes of one object", size, r.lim.Object}
	}
	switch o.kind {
	case ofsDelta:
		back, n := backwards(in[i:])
		if n == 0 || back <= 0 || back > o.at {
			return 0, named, malformed("the delta at %d is on nothing", o.at)
		}
		base, i = o.at-back, i+n
	case refDelta:
		if len(in) < i+len(named) {
			return 0, named, malformed("it ends in the middle")
		}
		i += copy(named[:], in[i:])
	}
	o.size, o.body = size, o.at+int64(i)
	return base, named, r.spend(size)
}

// backwards reads how far before a delta its base is, and how many bytes say so; 0
// of what is no number.
func backwards(in []byte) (back int64, n int) {
	for n < len(in) {
		c := in[n]
		n++
		if back > math.MaxInt64>>8 {
			return 0, 0
		}
		back = back<<7 | int64(c&0x7f)
		if c&0x80 == 0 {
			return back, n
		}
		back++
	}
	return 0, 0
}

// spend counts inflated bytes.
func (r *reading) spend(bytes int64) error {
	if total := r.total.Add(bytes); total > r.lim.Total {
		return &ExcessError{"bytes of all objects together", total, r.lim.Total}
	}
	return nil
}

var inflaters = sync.Pool{}

// inflate writes exactly size bytes to buf, over and over, and what it holds to sum
// each time, if there is one. It reads no more of in than they take.
func inflate(in *bytes.Reader, size int64, buf []byte, sum hash.Hash) error {
	z, err := inflater(in)
	if err != nil {
		return malformed("an object cannot be inflated: %w", err)
	}
	defer inflaters.Put(z)
	for left := size; left > 0; {
		piece := buf[:min(left, int64(len(buf)))]
		if _, err := io.ReadFull(z, piece); err != nil {
			return malformed("an object cannot be inflated: %w", err)
		}
		if sum != nil {
			sum.Write(piece)
		}
		left -= int64(len(piece))
	}
	var one [1]byte // reading to the end checks the checksum
	if n, err := io.ReadFull(z, one[:]); n > 0 {
		return malformed("an object inflates to more than it says")
	} else if err != io.EOF {
		return malformed("an object cannot be inflated: %w", err)
	}
	return nil
}

func inflater(in io.Reader) (io.ReadCloser, error) {
	if z, ok := inflaters.Get().(io.ReadCloser); ok {
		return z, z.(zlib.Resetter).Reset(in, nil)
	}
	return zlib.NewReader(in)
}
