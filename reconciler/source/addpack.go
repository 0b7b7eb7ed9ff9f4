package source

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/reconciler/source/internal/pack"
)

// baseMemory bounds what is in memory of the objects of one pack while it is
// looked through: a base of 64 MiB and two on the way from it to its deltas.
const baseMemory = 256 << 20

// packLimits is what one pack may cost.
func (cfg *Config) packLimits() pack.Limits {
	return pack.Limits{Objects: cfg.MaxObjects, Object: cfg.MaxObject, Total: cfg.MaxInflated, Memory: max(baseMemory, 4*cfg.MaxObject)}
}

// addPack stores a pack. Nothing of it can be read before all of it was looked
// through and found right. Its errors are the reader's, a mirror fault for our
// disk, errDamaged for the pack, or errTooLarge.
func (m *mirror) addPack(ctx context.Context, from io.Reader, lim pack.Limits) error {
	f, err := os.CreateTemp(m.packDir(), "tmp_pack_*")
	if err != nil {
		return mirrorFault(m.dir, err)
	}
	n, err := io.Copy(onDisk{f, m.dir}, from)
	if err == nil && n > 0 {
		err = m.index(ctx, f, n, lim)
	}
	if err := errors.Join(err, mirrorFault(m.dir, f.Close()), m.clearPartial()); err != nil {
		return err
	}
	m.packs++
	return m.reopen()
}

func (m *mirror) packDir() string { return filepath.Join(m.dir, "objects", "pack") }

// index looks a pack through and gives it its name, after its index has one: a
// pack is looked for by its own.
func (m *mirror) index(ctx context.Context, f *os.File, size int64, lim pack.Limits) error {
	p, err := readPack(ctx, f, size, lim)
	if err != nil || p.Len() == 0 {
		return err
	}
	x, err := os.CreateTemp(m.packDir(), "tmp_pack_*")
	if err != nil {
		return mirrorFault(m.dir, err)
	}
	name := filepath.Join(m.packDir(), "pack-"+p.Name())
	err = errors.Join(p.WriteIndex(x), x.Chmod(0o444), x.Close(), f.Chmod(0o444))
	if err == nil {
		err = os.Rename(x.Name(), name+".idx")
	}
	if err == nil {
		err = os.Rename(f.Name(), name+".pack")
	}
	return mirrorFault(m.dir, err)
}

// readPack looks through a pack where the kernel has it, not in memory of ours.
func readPack(ctx context.Context, f *os.File, size int64, lim pack.Limits) (*pack.Pack, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, mirrorFault(filepath.Dir(f.Name()), err)
	}
	p, err := pack.Read(ctx, data, lim)
	if _, ok := errors.AsType[*pack.ExcessError](err); ok {
		err = &excess{err}
	} else if errors.Is(err, pack.ErrMalformed) {
		err = damaged(err)
	}
	return p, errors.Join(err, mirrorFault(f.Name(), unix.Munmap(data)))
}

// excess is a pack that is errTooLarge.
type excess struct{ error }

// Is makes it errTooLarge.
func (*excess) Is(target error) bool { return target == errTooLarge }

// onDisk names the errors of writing, so as not to take them for the reader's.
type onDisk struct {
	w   io.Writer
	dir string
}

func (d onDisk) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	return n, mirrorFault(d.dir, err)
}

// clearPartial removes packs that did not become whole.
func (m *mirror) clearPartial() error {
	parts, err := filepath.Glob(filepath.Join(m.packDir(), "tmp_pack_*"))
	for _, p := range parts {
		err = errors.Join(err, os.Remove(p))
	}
	return mirrorFault(m.dir, err)
}
