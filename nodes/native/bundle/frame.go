package bundle

import (
	"encoding/binary"
	"fmt"
	"io"
)

// WriteFrames writes p as frames of the kind, none longer than MaxFrame; an
// empty p is one empty frame. Each frame is one Write.
func WriteFrames(w io.Writer, kind FrameKind, p []byte) error {
	for {
		n := min(len(p), MaxFrame)
		b := make([]byte, 0, frameHead+n)
		b = append(b, byte(kind))
		b = binary.BigEndian.AppendUint32(b, uint32(n))
		if _, err := w.Write(append(b, p[:n]...)); err != nil {
			return err
		}
		if p = p[n:]; len(p) == 0 {
			return nil
		}
	}
}

const frameHead = 5

// ReadFrame reads the next frame. An end between two frames is io.EOF; the bytes
// are valid until buf is used again, which it is if it is large enough.
func ReadFrame(r io.Reader, buf []byte) (FrameKind, []byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint32(head[1:]))
	if n > MaxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes: there are at most %d", n, MaxFrame)
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return FrameKind(head[0]), buf[:n], nil
}
