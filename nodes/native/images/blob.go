package images

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// blob is a layer as it travels, on its way into a file under partial. It
// outlives the process, so that a download goes on where it stopped.
type blob struct {
	want v1.Descriptor
	file *os.File
	sum  hash.Hash
	size int64 // bytes in file, all of them in sum
	// pieced says that they came in more than one piece: from a process that may
	// have died over them, or a source that broke off.
	pieced bool
	// advance is told of bytes as they arrive.
	advance func(int64)
}

// openBlob takes up what an earlier attempt left.
func openBlob(path string, want v1.Descriptor, advance func(int64)) (*blob, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, local(err)
	}
	b := &blob{want: want, file: f, sum: sha256.New(), advance: advance}
	if b.size, err = io.Copy(b.sum, f); err == nil && b.size > want.Size {
		err = b.restart()
	}
	if err != nil {
		f.Close()
		return nil, local(err)
	}
	b.pieced = b.size > 0
	advance(b.size)
	return b, nil
}

// restart forgets all that was fetched.
func (b *blob) restart() error {
	b.advance(-b.size)
	b.size, b.pieced = 0, false
	b.sum.Reset()
	if err := b.file.Truncate(0); err != nil {
		return local(err)
	}
	_, err := b.file.Seek(0, io.SeekStart)
	return local(err)
}

// nearer is how much a broken attempt must have brought to earn another.
const nearer = 1 << 20

// fetch goes on from where the blob is to its end, and verifies it.
func (b *blob) fetch(ctx context.Context, o *source) (bool, error) {
	before := b.size
	if b.size < b.want.Size {
		if err := b.receive(ctx, o); err != nil {
			return b.size-before >= nearer, err
		}
	}
	return false, b.verify()
}

func (b *blob) receive(ctx context.Context, o *source) error {
	header := http.Header{}
	if b.size > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", b.size, b.want.Size-1))
	}
	resp, err := o.get(ctx, "blobs", b.want.Digest.String(), header)
	if answer, ok := errors.AsType[*transport.Error](err); ok && answer.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return errors.Join(errSpoiled, b.restart())
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b.pieced = b.size > 0; b.pieced && !goesOn(resp, b.size) {
		if err := b.restart(); err != nil {
			return err
		}
	}
	// One byte more than wanted tells a blob that is too long.
	_, err = io.Copy(b, io.LimitReader(resp.Body, b.want.Size-b.size+1))
	if err == nil && b.size < b.want.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// goesOn is whether the answer begins at that byte; one that ignores the range
// begins at the first.
func goesOn(resp *http.Response, at int64) bool {
	from, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "-")
	n, err := strconv.ParseInt(from, 10, 64)
	return resp.StatusCode == http.StatusPartialContent && err == nil && n == at
}

// Write is for io.Copy.
func (b *blob) Write(p []byte) (int, error) {
	n, err := b.file.Write(p)
	b.sum.Write(p[:n])
	b.size += int64(n)
	b.advance(int64(n))
	return n, local(err)
}

var errSpoiled = errors.New("its pieces do not fit together")

// verify empties a blob that is not what its digest says. Whoever sent all of it
// is to blame; a pieced one is worth another attempt.
func (b *blob) verify() error {
	got := fmt.Sprintf("sha256:%x", b.sum.Sum(nil))
	if b.size == b.want.Size && got == b.want.Digest.String() {
		return nil
	}
	pieced, size := b.pieced, b.size
	if err := b.restart(); err != nil {
		return err
	}
	switch {
	case pieced:
		return errSpoiled
	case size > b.want.Size:
		return wrong("its layer %s is longer than the %d bytes that its manifest says", b.want.Digest, b.want.Size)
	}
	return wrong("its layer %s is not what its digest says but %s", b.want.Digest, got)
}
