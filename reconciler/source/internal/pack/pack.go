// Package pack finds out what a pack of git objects holds, and writes the index
// by which git finds them. A pack comes from whoever may push: nothing in it is
// believed, and what it may cost is bounded before it is paid. Objects that would
// be too large are refused by the size that they state, and none inflates to more
// than it stated.
package pack

import (
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strconv"
)

// Limits bound what one pack may cost.
type Limits struct {
	// Objects is how many there may be; each takes 100 bytes of memory.
	Objects int
	// Object is how large one may be, in bytes, inflated.
	Object int64
	// Total is how many bytes all may have together, inflated: the work.
	Total int64
	// Memory is how many bytes of objects may be in memory at a time, as bases of
	// others.
	Memory int64
}

// ErrMalformed is a pack that is broken.
var ErrMalformed = errors.New("malformed pack")

// ExcessError is a pack that would cost more than is allowed.
type ExcessError struct {
	// What is "objects", or a phrase that goes before bytes.
	What string
	// Has is what it has, or says that it has; Limit what it may.
	Has, Limit int64
}

func (e *ExcessError) Error() string {
	return fmt.Sprintf("%s: %d, and at most %d are taken", e.What, e.Has, e.Limit)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
}

// kind is an object's type in a pack.
type kind uint8

const (
	commit   kind = 1
	tag      kind = 4
	ofsDelta kind = 6
	refDelta kind = 7
)

func (k kind) delta() bool { return k == ofsDelta || k == refDelta }

var names = map[kind]string{commit: "commit", 2: "tree", 3: "blob", tag: "tag"}

// Hash is an object's name.
type Hash [sha1.Size]byte

// object is one of a pack.
type object struct {
	hash Hash // zero until it is known
	// at is where it begins, body where its compressed content does, both in bytes
	// from the pack's beginning; size is its content's, of a delta the delta's.
	at, body, size int64
	crc            uint32
	kind           kind
	// child and next are the first delta on this one and the next one on the same,
	// as numbers of objects; -1 is none.
	child, next int32
}

// Pack is what a pack holds.
type Pack struct {
	objects []object
	sum     Hash
}

const (
	headerSize = 12
	version    = 2
)

// Read reads a pack, which must be whole, and checks all of it. Its error is
// ErrMalformed, an *ExcessError, or ctx's.
func Read(ctx context.Context, data []byte, lim Limits) (*Pack, error) {
	r := &reading{ctx: ctx, data: data, lim: lim}
	if err := r.frame(); err != nil {
		return nil, err
	}
	if err := r.scan(); err != nil {
		return nil, err
	}
	if err := r.resolve(); err != nil {
		return nil, err
	}
	p := &Pack{objects: r.objects}
	copy(p.sum[:], data[len(data)-sha1.Size:])
	return p, nil
}

// Len is how many objects there are.
func (p *Pack) Len() int { return len(p.objects) }

// Name is the pack's own, by which git calls its files: pack-NAME.pack.
func (p *Pack) Name() string { return fmt.Sprintf("%x", p.sum) }

// frame checks what stands before and after the objects.
func (r *reading) frame() error {
	if len(r.data) < headerSize+sha1.Size || string(r.data[:4]) != "PACK" || binary.BigEndian.Uint32(r.data[4:]) != version {
		return malformed("it has no header of version %d", version)
	}
	count := int64(binary.BigEndian.Uint32(r.data[8:]))
	if count > int64(r.lim.Objects) {
		return &ExcessError{"objects", count, int64(r.lim.Objects)}
	}
	r.body = r.data[:len(r.data)-sha1.Size]
	if count > int64(len(r.body)) {
		return malformed("it says that it has %d objects, more than bytes", count)
	}
	if sum := sha1.Sum(r.body); Hash(sum) != Hash(r.data[len(r.body):]) {
		return malformed("its checksum is wrong")
	}
	r.objects = make([]object, 0, count)
	r.count = int(count)
	return nil
}

// hashing begins the name of an object.
func hashing(k kind, size int64) hash.Hash {
	h := sha1.New()
	h.Write(append(strconv.AppendInt([]byte(names[k]+" "), size, 10), 0))
	return h
}
