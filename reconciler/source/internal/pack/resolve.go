package pack

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
)

// resolve finds the names of the deltas: family by family, each from the object
// that is none, several at a time.
func (r *reading) resolve() error {
	var families []int32
	for i := range r.objects {
		if r.objects[i].kind.delta() {
			continue
		}
		r.claim(int32(i))
		if r.objects[i].child >= 0 {
			families = append(families, int32(i))
		}
	}
	if err := r.each(families); err != nil {
		return err
	}
	if len(r.waiting) > 0 {
		return malformed("a delta is on an object that is not in it")
	}
	return nil
}

// claim gives an object whose name is known the deltas that name it.
func (r *reading) claim(i int32) {
	r.claiming.Lock()
	defer r.claiming.Unlock()
	hash := r.objects[i].hash
	for _, child := range r.waiting[hash] {
		r.adopt(i, child)
	}
	delete(r.waiting, hash)
}

// each works on the families in as many goroutines as there are processors.
func (r *reading) each(families []int32) error {
	var at atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, runtime.GOMAXPROCS(0))
	for i := range errs {
		group.Go(func() {
			for errs[i] == nil {
				n := at.Add(1) - 1
				if n >= int64(len(families)) {
					return
				}
				errs[i] = r.family(families[n])
			}
			at.Store(int64(len(families))) // the others end too
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// step is an object whose children are to be resolved.
type step struct {
	content []byte
	child   int32 // the next of them
}

// family names all that are deltas on an object, and on them. It goes down before
// it goes on, and drops what has no more children to come.
func (r *reading) family(root int32) error {
	content, err := r.raw(root)
	if err != nil {
		return err
	}
	k := r.objects[root].kind
	stack := []step{{content, r.objects[root].child}}
	if err := r.keep(content); err != nil {
		return err
	}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		i := top.child
		content, err := r.apply(i, top.content, k)
		if err != nil {
			return err
		}
		r.claim(i)
		if top.child = r.objects[i].next; top.child < 0 {
			r.inMemory.Add(-int64(len(top.content)))
			stack = stack[:len(stack)-1]
		}
		if r.objects[i].child < 0 {
			continue
		}
		if err := r.keep(content); err != nil {
			return err
		}
		stack = append(stack, step{content, r.objects[i].child})
	}
	return nil
}

// keep counts what is in memory as a base.
func (r *reading) keep(content []byte) error {
	if has := r.inMemory.Add(int64(len(content))); has > r.lim.Memory {
		return &ExcessError{"bytes of objects that others are made from", has, r.lim.Memory}
	}
	return nil
}

// raw inflates what stands in the pack.
func (r *reading) raw(i int32) ([]byte, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	o := &r.objects[i]
	out := make([]byte, o.size)
	return out, inflate(bytes.NewReader(r.body[o.body:]), o.size, out, nil)
}

// apply makes a delta's object from its base, and names it.
func (r *reading) apply(i int32, base []byte, k kind) ([]byte, error) {
	o := &r.objects[i]
	delta, err := r.raw(i)
	if err != nil {
		return nil, err
	}
	was, n := binary.Uvarint(delta)
	is, m := binary.Uvarint(delta[max(n, 0):])
	if n <= 0 || m <= 0 || was != uint64(len(base)) {
		return nil, malformed("the delta at %d does not fit its base", o.at)
	}
	if is > uint64(r.lim.Object) {
		return nil, &ExcessError{"bytes of one object", int64(min(is, 1<<62)), r.lim.Object}
	}
	if err := r.spend(int64(is)); err != nil {
		return nil, err
	}
	content, ok := patch(make([]byte, 0, is), base, delta[n+m:])
	if !ok || uint64(len(content)) != is {
		return nil, malformed("the delta at %d does not fit its base", o.at)
	}
	sum := hashing(k, int64(is))
	sum.Write(content)
	sum.Sum(o.hash[:0])
	return content, nil
}

// patch carries a delta's instructions out; to has room for what they may make.
func patch(to, base, delta []byte) ([]byte, bool) {
	for len(delta) > 0 {
		op := delta[0]
		delta = delta[1:]
		piece := delta
		if op&0x80 == 0 { // that many bytes follow
			n := int(op)
			if n == 0 || n > len(delta) {
				return nil, false
			}
			piece, delta = delta[:n], delta[n:]
		} else { // a piece of the base: four bytes of offset, three of length, as the bits say
			var args [7]byte
			for i := range args {
				if op>>i&1 == 1 {
					if len(delta) == 0 {
						return nil, false
					}
					args[i], delta = delta[0], delta[1:]
				}
			}
			from := uint64(binary.LittleEndian.Uint32(args[:4]))
			n := uint64(args[4]) | uint64(args[5])<<8 | uint64(args[6])<<16
			if n == 0 {
				n = 0x10000
			}
			if from+n > uint64(len(base)) {
				return nil, false
			}
			piece = base[from : from+n]
		}
		if len(to)+len(piece) > cap(to) {
			return nil, false
		}
		to = append(to, piece...)
	}
	return to, true
}
