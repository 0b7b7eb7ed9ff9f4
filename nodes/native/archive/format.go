package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
)

// The formats, as they are told.
const (
	formatTar  = "tar"
	formatGzip = "tar.gz"
	formatZstd = "tar.zst"
	formatZip  = "zip"
	formatJar  = "jar"
	// formatFile is anything, kept as it is.
	formatFile = "file"
)

// manifest is what makes a JAR of a zip.
const manifest = "META-INF/MANIFEST.MF"

// formatOf looks at what is in the file; "" is none of the above.
func formatOf(f *os.File, size int64) (string, error) {
	head := make([]byte, 512)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", local(err)
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return formatGzip, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return formatZstd, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return zipOrJar(f, size)
	case n == 512 && bytes.HasPrefix(head[257:], []byte("ustar")):
		return formatTar, nil
	}
	return "", nil
}

func zipOrJar(f *os.File, size int64) (string, error) {
	z, err := openZip(f, size)
	if err != nil {
		return "", err
	}
	for _, e := range z.File {
		if e.Name == manifest {
			return formatJar, nil
		}
	}
	return formatZip, nil
}

// directoryBytes bounds the directory of a zip, which is read whole: it is some
// hundred bytes of memory for each fifty of a directory that is made to hurt.
const directoryBytes = 16 << 20

func openZip(f io.ReaderAt, size int64) (*zip.Reader, error) {
	in := &bounded{in: f, left: directoryBytes}
	z, err := zip.NewReader(in, size)
	in.left = -1
	if errors.Is(err, errDirectory) || in.over {
		return nil, wrong("its directory is larger than %d MiB", directoryBytes>>20)
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are judged one by one
		return nil, wrong("its directory: %v", err)
	}
	return z, nil
}

var errDirectory = errors.New("too much of a directory")

// bounded reads so many bytes; where left is negative, without end.
type bounded struct {
	in   io.ReaderAt
	left int64
	over bool
}

func (b *bounded) ReadAt(p []byte, at int64) (int, error) {
	if b.left >= 0 {
		if b.left -= int64(len(p)); b.left < 0 {
			b.left, b.over = 0, true
			return 0, errDirectory
		}
	}
	return b.in.ReadAt(p, at)
}
