package archive

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/bayplan/bayplan/schema"
)

var (
	errNameTooLong = syscall.ENAMETOOLONG
	errInvalid     = syscall.EINVAL
)

// unpack makes a layer of a verified archive: its files below the artifact's
// folder. That one anybody may write to, who runs in the container, as it is where
// the program starts; its files only root may.
func (s *Store) unpack(ctx context.Context, a *schema.Artifact, file *os.File, layer string) (info, error) {
	stat, err := file.Stat()
	if err != nil {
		return info{}, local(err)
	}
	format, err := formatOf(file, stat.Size())
	if err != nil && !kept(a, "") {
		return info{}, err
	}
	to, err := makeFolder(layer, a.Folder())
	if err != nil {
		return info{}, local(err)
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return info{}, local(err)
	}
	defer root.Close()
	got := info{URL: a.URL, SHA256: a.SHA256, Format: format, Entries: 1, Bytes: stat.Size()}
	if kept(a, format) {
		if got.Format == "" {
			got.Format = formatFile
		}
		return got, local(s.keep(a, root, to))
	}
	t := newTree(ctx, root, s.cfg.Limits, stat.Size(), s.checkRoom)
	err = t.unpack(format, file, stat.Size())
	got.Entries, got.Bytes = t.entries, t.bytes
	return got, err
}

// kept is whether the archive stays a file.
func kept(a *schema.Artifact, format string) bool {
	if a.Unpack != nil {
		return !*a.Unpack
	}
	return format == formatJar
}

// keep moves the download to where it belongs; its file stays open.
func (s *Store) keep(a *schema.Artifact, root *os.Root, to string) error {
	if err := os.Rename(s.path("partial", a.SHA256), filepath.Join(to, a.File())); err != nil {
		return err
	}
	return root.Chmod(a.File(), 0o755)
}

// makeFolder makes the artifact's folder in the layer, whatever the umask says.
func makeFolder(layer, folder string) (string, error) {
	at := layer
	for part := range strings.SplitSeq(folder, "/") {
		at = filepath.Join(at, part)
		if err := errors.Join(os.MkdirAll(at, 0o755), os.Chmod(at, 0o755)); err != nil {
			return "", err
		}
	}
	return at, os.Chmod(at, 0o777|fs.ModeSticky)
}

func (t *tree) unpack(format string, file *os.File, size int64) (err error) {
	switch format {
	case formatTar, formatGzip, formatZstd:
		err = t.untar(format, bufio.NewReaderSize(file, 128<<10))
	case formatZip, formatJar:
		err = t.unzip(file, size)
	default:
		return wrong(`it is no tar, tar.gz, tar.zst or zip; to have it as the file that it is, say unpack: false`)
	}
	if err != nil {
		return err
	}
	return t.finish()
}

// windowBytes bounds the memory that a zstd stream may claim; what `zstd -19`
// makes takes 8 MiB, --ultra -22 takes 128.
const windowBytes = 128 << 20

func (t *tree) untar(format string, in io.Reader) error {
	switch format {
	case formatGzip:
		z, err := gzip.NewReader(in)
		if err != nil {
			return wrong("its compression: %v", err)
		}
		defer z.Close()
		in = z
	case formatZstd:
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowBytes), zstd.WithDecoderLowmem(true))
		if err != nil {
			return wrong("its compression: %v", err)
		}
		defer z.Close()
		in = z
	}
	for r := tar.NewReader(&metered{t: t, in: in}); ; {
		h, err := r.Next()
		if err == io.EOF {
			if t.entries == 0 {
				return wrong("it is empty")
			}
			return nil
		}
		if err == nil {
			err = t.tarEntry(h, r)
		}
		if err != nil {
			return blame("", err)
		}
	}
}

// metered bounds what comes out of a compression also where no file is written:
// in headers, and in what is skipped.
type metered struct {
	t   *tree
	in  io.Reader
	got int64
}

func (m *metered) Read(p []byte) (int, error) {
	if err := context.Cause(m.t.ctx); err != nil {
		return 0, err
	}
	n, err := m.in.Read(p)
	// A header has 512 bytes, and as many again where a name is long.
	if m.got += int64(n); m.got > m.t.most+int64(m.t.limits.Entries)*2048 {
		return 0, wrong("it unpacks to more than %d MiB", m.t.most>>20)
	}
	return n, err
}

func (t *tree) tarEntry(h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := t.clean(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return t.dir(name)
	case tar.TypeReg, tar.TypeGNUSparse:
		return t.file(name, h.FileInfo().Mode(), h.ModTime, r)
	case tar.TypeSymlink:
		return t.symlink(name, h.Linkname)
	case tar.TypeLink:
		return t.hardlink(name, h.Linkname)
	}
	return wrong("its entry %q is no file, folder or link but a device or the like", name)
}

func (t *tree) unzip(file *os.File, size int64) error {
	z, err := openZip(file, size)
	if err != nil {
		return err
	}
	if len(z.File) == 0 {
		return wrong("it is empty")
	}
	var said uint64
	for _, f := range z.File {
		if said += f.UncompressedSize64; f.UncompressedSize64 > uint64(t.most) || said > uint64(t.most) {
			return wrong("it unpacks to more than %d MiB", t.most>>20)
		}
	}
	for _, f := range z.File {
		if err := t.zipEntry(f); err != nil {
			return blame(f.Name, err)
		}
	}
	return nil
}

// encrypted is a flag of zip.
const encrypted = 1

// longestTarget is what a link of a zip may have as its content.
const longestTarget = 4096

func (t *tree) zipEntry(f *zip.File) error {
	name, err := t.clean(f.Name)
	switch {
	case err != nil:
		return err
	case strings.Contains(name, `\`):
		return wrong("its entry %q has a backslash in its name", name)
	case f.Flags&encrypted != 0:
		return wrong("its entry %q is encrypted", name)
	case f.Mode().IsDir():
		return t.dir(name)
	case f.Mode()&fs.ModeSymlink == 0 && !f.Mode().IsRegular():
		return wrong("its entry %q is no file, folder or link but a device or the like", name)
	}
	in, err := f.Open()
	if err != nil {
		return wrong("its entry %q: %v", name, err)
	}
	defer in.Close()
	if f.Mode()&fs.ModeSymlink == 0 {
		return t.file(name, f.Mode(), f.Modified, in)
	}
	to, err := io.ReadAll(io.LimitReader(in, longestTarget+1))
	if err != nil {
		return err
	}
	return t.symlink(name, string(to))
}
