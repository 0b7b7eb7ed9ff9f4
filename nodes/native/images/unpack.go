package images

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// unpackLayer writes a layer's files under root, which is empty, with whiteouts
// as overlayfs wants them, and returns the digest of the whole unpacked stream.
// A fault of the layer is a [*contentError]. Room is asked now and then whether
// the disk can take more.
func unpackLayer(ctx context.Context, root string, packed io.Reader, limits Limits, room func() error) (info layerInfo, diffID string, err error) {
	plain, err := decompress(packed)
	if err != nil {
		return layerInfo{}, "", err
	}
	defer plain.Close()
	in := &measured{in: plain, sum: sha256.New(), most: limits.LayerBytes, room: room}
	g := newGate(limits)
	w := whiteouts{root: root, places: map[string]bool{}}
	if err := in.apply(ctx, root, g, w); err != nil {
		return layerInfo{}, "", in.blame(err)
	}
	opaque, err := w.finish()
	return layerInfo{Size: g.bytes, Entries: g.entries, Opaque: opaque}, fmt.Sprintf("sha256:%x", in.sum.Sum(nil)), err
}

// apply writes the entries, and reads on to the stream's end: the digest is of
// all that it holds, the padding behind the last entry too.
func (m *measured) apply(ctx context.Context, root string, g *gate, w whiteouts) error {
	options := []archive.ApplyOpt{archive.WithFilter(g.admit), archive.WithConvertWhiteout(w.convert)}
	if os.Geteuid() != 0 {
		options = append(options, archive.WithNoSameOwner())
	}
	in := readAhead(m)
	defer in.stop()
	if _, err := archive.Apply(ctx, root, in, options...); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, in)
	return err
}

const (
	// windowBytes bounds the memory that a zstd layer may claim of the agent; the
	// builders' strongest compression takes 32 MiB, the format's own advice is 8.
	windowBytes = 32 << 20
	bufferBytes = 128 << 10
)

// decompress goes by the first bytes, not by the media type, which registries
// and builders are known to get wrong.
func decompress(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, bufferBytes)
	magic, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, local(err)
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, wrong("its compression: %v", err)
		}
		return z, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowBytes), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, wrong("its compression: %v", err)
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(in), nil
}

// roomEvery is how much may be unpacked between two looks at the disk.
const roomEvery = 16 << 20

// measured is the unpacked stream: digested, bounded, and watched for the disk
// that it fills.
type measured struct {
	in      io.Reader
	sum     hash.Hash
	most    int64
	room    func() error
	got     int64
	checked int64
	err     error // of the stream itself, which is the layer's fault, or room's
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	m.sum.Write(p[:n])
	m.got += int64(n)
	if m.got > m.most {
		m.err = wrong("it unpacks to more than %d bytes", m.most)
		return 0, m.err
	}
	if m.got-m.checked >= roomEvery {
		m.checked = m.got
		if m.err = m.room(); m.err != nil {
			return 0, m.err
		}
	}
	if err != nil && err != io.EOF {
		m.err = wrong("its stream: %v", err)
		return n, m.err
	}
	return n, err
}

// blame says whose fault it was.
func (m *measured) blame(err error) error {
	if isContent(err) {
		return err
	}
	if m.err != nil {
		return m.err
	}
	_, errno := errors.AsType[unix.Errno](err)
	if errno || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return wrong("%v", err)
}
