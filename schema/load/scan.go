package load

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// scan is what was found in a directory and below it. It holds no contents, so
// that it can be kept for the next tree; nothing in it changes once it is made.
type scan struct {
	dir string
	// id is the file system's hash of the directory; "" if it has none.
	id string
	// own are the directory's own files; nil if it has none that are read.
	own   *listing
	below []*scan
}

// listing is the files of one directory that are read, by their names.
type listing struct {
	dir string
	// names are paths from the root, sorted.
	names   []string
	refused []*Error
	// digest is of the names and all contents: equal for equal folders.
	digest [sha256.Size]byte
}

// each calls f for every directory that has files.
func (s *scan) each(f func(*listing)) {
	if s.own != nil {
		f(s.own)
	}
	for _, b := range s.below {
		b.each(f)
	}
}

// at is the scan of a directory right below; nil if there is none.
func (s *scan) at(dir string) *scan {
	if s == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.below, dir, func(b *scan, dir string) int { return strings.Compare(b.dir, dir) })
	if !ok {
		return nil
	}
	return s.below[i]
}

// scan looks through a directory, or takes what is known of it.
func (t *tree) scan(dir, id string, former *scan) (*scan, error) {
	if former != nil && id != "" && former.id == id {
		return former, nil
	}
	s := &scan{dir: dir, id: id}
	entries, err := fs.ReadDir(t.fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", dir, err)
	}
	own := &listing{dir: dir}
	ids := []string{}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case ignored(e.Name()):
		case e.IsDir():
			b, err := t.enter(name, objectID(e), former)
			if err != nil {
				return nil, err
			}
			s.below = append(s.below, b)
		case e.Type().IsRegular() && ext(name) != "":
			own.names, ids = append(own.names, name), append(ids, objectID(e))
		}
	}
	if len(own.names) > 0 {
		s.own, err = own, t.digest(own, ids)
	}
	slices.SortFunc(s.below, func(a, b *scan) int { return strings.Compare(a.dir, b.dir) })
	return s, err
}

func ignored(base string) bool {
	return base[0] == '.' || base[0] == '_' ||
		strings.HasSuffix(base, "_tool.cue") || strings.HasSuffix(base, "_test.cue")
}

// enter scans a directory below, unless it lies too deep: then it is a package
// that is refused.
func (t *tree) enter(dir, id string, former *scan) (*scan, error) {
	if strings.Count(dir, "/")+1 <= t.limits.Depth {
		return t.scan(dir, id, former.at(dir))
	}
	deep := refusal(dir, fmt.Sprintf("folders may lie %d deep at most", t.limits.Depth))
	return &scan{dir: dir, own: &listing{dir: dir, refused: []*Error{deep}}}, nil
}

// objectID is the hash by which a file system knows an entry's content, as Git
// does; "" if it has none.
func objectID(e fs.DirEntry) string {
	info, err := e.Info()
	if err != nil {
		return ""
	}
	if known, ok := info.(interface{ ObjectID() string }); ok {
		return known.ObjectID()
	}
	return ""
}

// rootID is the object ID of the whole tree.
func rootID(fsys fs.FS) string {
	info, err := fs.Stat(fsys, ".")
	if err != nil {
		return ""
	}
	return objectID(fs.FileInfoToDirEntry(info))
}

// digest sums up a folder: by the hashes that the file system has of its files,
// or else of what is read.
func (t *tree) digest(l *listing, ids []string) error {
	if over := len(l.names) - t.limits.PackageFiles; over > 0 {
		l.refused = []*Error{refusal(l.dir, fmt.Sprintf("the folder has more than %d files, which is the limit", t.limits.PackageFiles))}
		l.names, ids = l.names[:t.limits.PackageFiles], ids[:t.limits.PackageFiles]
	}
	h := sha256.New()
	write := func(kind byte, text []byte) {
		h.Write(binary.AppendUvarint([]byte{kind}, uint64(len(text))))
		h.Write(text)
	}
	for _, e := range l.refused {
		write('r', []byte(e.Error()))
	}
	contents := Folder{}
	if slices.Contains(ids, "") {
		var err error
		if contents, err = t.read(l); err != nil {
			return err
		}
		if t.keep(l.dir, contents); t.err != nil {
			return t.err
		}
	}
	for i, name := range l.names {
		write('n', []byte(name))
		if len(contents.Files) == 0 {
			write('i', []byte(ids[i]))
		} else if data := contents.Files[i].Data; data != nil {
			write('d', data)
		}
	}
	h.Sum(l.digest[:0])
	return nil
}
