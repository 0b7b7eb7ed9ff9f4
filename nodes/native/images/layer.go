package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// layer makes one layer present. Whoever wants it at the same time, for
// whichever image, shares the work.
func (p *pull) layer(ctx context.Context, want v1.Descriptor, diffID string) error {
	if p.s.hasLayer(diffID) {
		p.advance(want.Size)
		return nil
	}
	by := p.ref.parsed.Context().Name() + "@" + want.Digest.String()
	ours := false
	_, err := p.s.parts.do(ctx, diffID, by, func(ctx context.Context) (layerInfo, error) {
		ours = true
		ctx, cancel := context.WithTimeoutCause(ctx, p.s.cfg.Deadline, fmt.Errorf("%w: %s", errDeadline, p.s.cfg.Deadline))
		defer cancel()
		return p.makeLayer(ctx, want, diffID)
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil && !ours {
		p.advance(want.Size)
	}
	return err
}

func (s *Store) hasLayer(diffID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.layers[diffID]
	return ok
}

// makeLayer fetches, unpacks and commits. What was fetched is kept only where
// the trouble lies between us and the registry.
func (p *pull) makeLayer(ctx context.Context, want v1.Descriptor, diffID string) (layerInfo, error) {
	select {
	case p.s.slots <- struct{}{}:
		defer func() { <-p.s.slots }()
	case <-ctx.Done():
		return layerInfo{}, context.Cause(ctx)
	}
	if p.s.hasLayer(diffID) { // a flight that ended as this one began
		p.advance(want.Size)
		return layerInfo{}, nil
	}
	path := p.s.path("partial", hex(diffID)+"-"+hex(want.Digest.String()))
	b, err := openBlob(path, want, p.advance)
	if err != nil {
		return layerInfo{}, err
	}
	defer b.file.Close()
	if err := p.try(ctx, b.fetch); err != nil {
		if b.size == 0 || isLocal(err) {
			os.Remove(path)
		}
		return layerInfo{}, err
	}
	defer os.Remove(path)
	info, err := p.s.unpack(ctx, b.file, want.Digest.String(), diffID)
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.made = append(p.made, diffID)
	}
	return info, err
}

// unpack makes a verified blob a layer: under tmp first, and in its place once
// it is whole, is what the config says, and has reached the disk.
func (s *Store) unpack(ctx context.Context, file *os.File, blob, diffID string) (layerInfo, error) {
	dir, err := os.MkdirTemp(s.path("tmp"), "layer")
	if err != nil {
		return layerInfo{}, local(err)
	}
	defer os.RemoveAll(dir) // nothing is there once it was renamed
	info, err := s.unpackInto(ctx, dir, file, diffID)
	if err != nil {
		return layerInfo{}, explainUnpack(ctx, blob, dir, err)
	}
	if err := writeInfo(dir, info); err != nil {
		return layerInfo{}, local(err)
	}
	return info, local(s.place(dir, diffID, info))
}

func (s *Store) unpackInto(ctx context.Context, dir string, file *os.File, diffID string) (layerInfo, error) {
	root := dir + "/fs"
	if err := os.Mkdir(root, 0o755); err != nil {
		return layerInfo{}, local(err)
	}
	if err := os.Chmod(root, 0o755); err != nil { // whatever the umask
		return layerInfo{}, local(err)
	}
	if _, err := file.Seek(0, 0); err != nil {
		return layerInfo{}, local(err)
	}
	room := func() error { return s.checkRoom(0) }
	info, got, err := unpackLayer(ctx, root, file, s.cfg.Limits, room)
	if err == nil && got != diffID {
		err = wrong("it unpacks to %s, and the image's config says %s", got, diffID)
	}
	return info, err
}

// diskFaults are the disk's and the machine's; all else that a system call says
// comes from what the layer asked for. (A file system without room for a large
// xattr says ENOSPC, which is such a case.)
var diskFaults = []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EIO, unix.EROFS, unix.ENOMEM, unix.EMFILE, unix.ENFILE}

// explainUnpack tells a layer's own fault from the disk's. Paths are as the image
// has them.
func explainUnpack(ctx context.Context, blob, dir string, err error) error {
	if content, ok := errors.AsType[*contentError](err); ok {
		return wrong("its layer %s is refused: %v", blob, content)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errno, ok := errors.AsType[unix.Errno](err); ok && slices.Contains(diskFaults, errno) && !strings.Contains(err.Error(), "setxattr") {
		return local(fmt.Errorf("unpacking layer %s: %w", blob, err))
	}
	return wrong("its layer %s is refused: it cannot be unpacked: %s", blob, strings.ReplaceAll(err.Error(), dir+"/fs", ""))
}

func writeInfo(dir string, info layerInfo) error {
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return os.WriteFile(dir+"/info.json", text, 0o600)
}

// place brings the layer to the disk, all of its file system at once, since a
// layer is thousands of files; then the rename makes it count.
func (s *Store) place(dir, diffID string, info layerInfo) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = unix.Syncfs(int(f.Fd()))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.layers[diffID]; ok {
		return nil
	}
	if err := os.Rename(dir, s.layerDir(diffID)); err != nil {
		return err
	}
	s.layers[diffID] = info
	return syncDir(s.path("layers"))
}
