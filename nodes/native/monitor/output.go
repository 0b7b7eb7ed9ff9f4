//go:build linux && cgo && (amd64 || arm64)

package monitor

import (
	"os"
	"sync"
	"time"

	"github.com/opencontainers/runc/libcontainer"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/logs"
)

// output carries what the program writes into the log, and a copy to whoever
// listens.
type output struct {
	reads   []*os.File
	copying sync.WaitGroup

	mu        sync.Mutex
	listeners map[*listener]struct{}
}

// listener has a copy of the output from when it came; a slow one is cut off.
type listener struct {
	chunks chan chunk
}

type chunk struct {
	kind bundle.FrameKind
	text []byte
}

// backlog is how many chunks a listener may be behind.
const backlog = 64

// pipe gives the process its outputs and begins to copy them. The files are the
// process's ends, to be closed once it runs.
func (o *output) pipe(p *libcontainer.Process, log *logs.Writer) ([]*os.File, error) {
	var writes []*os.File
	for _, s := range []logs.Stream{logs.Stdout, logs.Stderr} {
		read, write, err := os.Pipe()
		if err != nil {
			_ = closeAll(append(writes, o.reads...))
			return nil, err
		}
		o.reads, writes = append(o.reads, read), append(writes, write)
		o.copying.Go(func() { o.copy(s, read, log) })
	}
	p.Stdout, p.Stderr = writes[0], writes[1]
	return writes, nil
}

func (o *output) copy(s logs.Stream, from *os.File, log *logs.Writer) {
	kind := map[logs.Stream]bundle.FrameKind{logs.Stdout: bundle.FrameStdout, logs.Stderr: bundle.FrameStderr}[s]
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			log.Write(s, buf[:n])
			o.tell(kind, buf[:n])
		}
		if err != nil {
			return
		}
	}
}

func (o *output) tell(kind bundle.FrameKind, text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.listeners) == 0 {
		return
	}
	c := chunk{kind, append([]byte(nil), text...)}
	for l := range o.listeners {
		select {
		case l.chunks <- c:
		default:
			o.drop(l)
		}
	}
}

// listen begins with what is written after it returns. The channel closes with
// the output's end, or when the listener is too slow.
func (o *output) listen() *listener {
	l := &listener{chunks: make(chan chunk, backlog)}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.listeners == nil {
		o.listeners = map[*listener]struct{}{}
	}
	o.listeners[l] = struct{}{}
	return l
}

func (o *output) leave(l *listener) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(l)
}

func (o *output) drop(l *listener) {
	if _, ok := o.listeners[l]; ok {
		delete(o.listeners, l)
		close(l.chunks)
	}
}

// drainTime is how long an output may stay open after the program's end. Only a
// process outside of the container can hold it, to which it was handed over.
const drainTime = time.Second

// drain copies what is left and ends.
func (o *output) drain() error {
	for _, f := range o.reads {
		_ = f.SetReadDeadline(time.Now().Add(drainTime))
	}
	o.copying.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	for l := range o.listeners {
		o.drop(l)
	}
	return closeAll(o.reads)
}
