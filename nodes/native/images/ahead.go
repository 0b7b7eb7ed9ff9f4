package images

import "io"

const (
	// aheadBytes and aheadChunks bound how far a layer is decompressed ahead of
	// its being written: 1 MiB evens out a mixture of small and large files.
	aheadBytes  = 256 << 10
	aheadChunks = 4
)

// ahead reads a stream in a goroutine of its own, so that a layer is decompressed
// and digested on one processor while its files are written by another.
type ahead struct {
	full chan chunk
	free chan []byte
	quit chan struct{}
	done chan struct{}
	now  chunk
	rest []byte // of now, unread
}

type chunk struct {
	bytes []byte
	err   error
}

func readAhead(in io.Reader) *ahead {
	a := &ahead{
		full: make(chan chunk, aheadChunks), free: make(chan []byte, aheadChunks),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	for range aheadChunks {
		a.free <- make([]byte, aheadBytes)
	}
	go a.run(in)
	return a
}

func (a *ahead) run(in io.Reader) {
	defer close(a.done)
	for {
		select {
		case <-a.quit:
			return
		case b := <-a.free:
			n, err := io.ReadFull(in, b)
			if err == io.ErrUnexpectedEOF && n < len(b) {
				err = io.EOF
			}
			a.full <- chunk{b[:n], err} // has room for all there are
			if err != nil {
				return
			}
		}
	}
}

// Read is the stream as it was.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.bytes != nil {
			a.free <- a.now.bytes[:cap(a.now.bytes)]
		}
		a.now = <-a.full
		a.rest = a.now.bytes
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// stop ends the reading; nobody touches the stream afterwards.
func (a *ahead) stop() {
	close(a.quit)
	<-a.done
}
