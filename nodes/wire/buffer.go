package wire

import (
	"io"
	"sync"
)

// inputAhead is how much input may wait for a command that does not read it
// now. What a person types fits, so that a change of the terminal's size never
// waits behind it; a file piped in is held back.
const inputAhead = 256 << 10

// buffer is a pipe that holds up to inputAhead bytes. One goroutine writes, one
// reads; anybody may close it.
type buffer struct {
	mu   sync.Mutex
	turn sync.Cond
	b    []byte
	// err is what a Read finds at the end, and why a Write fails.
	err error
}

func newBuffer() *buffer {
	f := &buffer{}
	f.turn.L = &f.mu
	return f
}

// Write waits while the buffer is full.
func (f *buffer) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.err == nil && len(f.b) > 0 && len(f.b)+len(b) > inputAhead {
		f.turn.Wait()
	}
	if f.err != nil {
		return 0, io.ErrClosedPipe
	}
	f.b = append(f.b, b...)
	f.turn.Broadcast()
	return len(b), nil
}

// Read waits while the buffer is empty.
func (f *buffer) Read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.err == nil && len(f.b) == 0 {
		f.turn.Wait()
	}
	if len(f.b) == 0 {
		return 0, f.err
	}
	n := copy(b, f.b)
	f.b = f.b[n:]
	if len(f.b) == 0 {
		f.b = nil // let the memory go
	}
	f.turn.Broadcast()
	return n, nil
}

// end lets the reader have what is there, then err. The first call counts.
func (f *buffer) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.turn.Broadcast()
}
