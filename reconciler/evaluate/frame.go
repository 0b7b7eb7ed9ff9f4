package evaluate

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// kind is what a frame holds.
type kind byte

const (
	// To the worker.
	kindTerms   kind = 'T' // terms, as JSON: once, first
	kindPackage kind = 'P' // load.Package, as JSON: evaluate it
	kindFolder  kind = 'F' // load.Folder, as JSON: what was asked for
	// From the worker.
	kindHello  kind = 'H' // Held, as JSON: once, after the terms
	kindWant   kind = 'W' // a folder's path
	kindAnswer kind = 'A' // what load.Evaluate returned
)

// terms are what the worker holds itself to from then on.
type terms struct{ Memory int64 }

// errFrame is a frame that is larger than its reader takes.
var errFrame = errors.New("a message is too large")

// pipes is one end of the conversation.
type pipes struct {
	in  io.Reader
	out io.Writer
	// max is the longest frame that is read, in bytes.
	max int64
}

// send writes a frame: its length in four bytes, its kind, its body.
func (p *pipes) send(k kind, body []byte) error {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	if _, err := p.out.Write(append(head, byte(k))); err != nil {
		return err
	}
	_, err := p.out.Write(body)
	return err
}

func (p *pipes) sendJSON(k kind, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.send(k, body)
}

// receive reads a frame of one of the wanted kinds. io.EOF is an end between
// frames.
func (p *pipes) receive(want ...kind) (k kind, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return 0, nil, err
	}
	k, size := kind(head[4]), int64(binary.BigEndian.Uint32(head[:4]))
	if size > p.max {
		return 0, nil, fmt.Errorf("%w: %d bytes", errFrame, size)
	}
	known := false
	for _, w := range want {
		known = known || w == k
	}
	if !known {
		return 0, nil, fmt.Errorf("a message of kind %q, unasked", string(rune(k)))
	}
	// In pieces: a length alone makes nobody set memory aside.
	body, err = io.ReadAll(io.LimitReader(p.in, size))
	if err == nil && int64(len(body)) < size {
		err = io.ErrUnexpectedEOF
	}
	return k, body, err
}

func (p *pipes) receiveJSON(want kind, into any) error {
	_, body, err := p.receive(want)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
