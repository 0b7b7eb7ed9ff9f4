package load

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// store keeps results on disk, a file for each package, so that a server that
// starts again evaluates nothing anew. Nothing depends on it: an entry that is
// damaged, or was made by another build, is as none, and one that cannot be
// written is made again. "" is no store.
type store string

// Bounds of a store. What no tree of late had is kept for a while: branches come
// back.
const (
	storeBytes = 512 << 20
	storeAge   = 7 * 24 * time.Hour
)

// kept begins an entry as it lies on disk, in a line of its own after the hash of
// all that follows. The result comes next, as JSON.
type kept struct {
	// By is the build that made it, and with it the schema and the version of CUE.
	By string
	// Slot is the package's.
	Slot    string
	Content string
	Read    []string
}

// thisBuild is what tells this program from any other: the ID that the linker gave
// it, which is a hash of all that it was made of; "" if it has none, and then
// nothing is kept.
var thisBuild = sync.OnceValue(func() string {
	self, err := elf.Open("/proc/self/exe")
	if err != nil {
		return ""
	}
	defer self.Close()
	note := self.Section(".note.go.buildid")
	if note == nil {
		return ""
	}
	id, err := note.Data()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(id)
	return hex.EncodeToString(sum[:])
})

func (s store) file(slot string) string {
	sum := sha256.Sum256([]byte(slot))
	return filepath.Join(string(s), hex.EncodeToString(sum[:16])+".json")
}

// read is what is kept of the package, if it is of this content still.
func (s store) read(t *tree, p Package) (e entry, ok bool) {
	if s == "" || thisBuild() == "" {
		return e, false
	}
	data, err := os.ReadFile(s.file(p.slot()))
	if err != nil || len(data) < sha256.Size {
		return e, false
	}
	var k kept
	sum, text := data[:sha256.Size], data[sha256.Size:]
	head, answer, _ := bytes.Cut(text, []byte("\n"))
	if own := sha256.Sum256(text); !bytes.Equal(sum, own[:]) || json.Unmarshal(head, &k) != nil {
		return e, false
	}
	now := content(t, p, k.Read)
	if k.By != thisBuild() || k.Slot != p.slot() || k.Content != hex.EncodeToString(now[:]) {
		return e, false
	}
	r, err := p.receive(answer)
	return entry{content: now, read: k.Read, result: r}, err == nil
}

// write keeps an entry. The file is whole or is not: a reader sees the hash.
func (s store) write(p Package, e entry) error {
	if s == "" || thisBuild() == "" || e.late != nil || e.passing || e.content == (entry{}).content {
		return nil
	}
	text, err := e.text(p)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	f, err := os.CreateTemp(string(s), "new-")
	if err != nil {
		return err
	}
	_, err = f.Write(append(sum[:], text...))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), s.file(p.slot()))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// text is the entry as it is kept. What another process answered is kept as it
// came.
func (e entry) text(p Package) ([]byte, error) {
	head, err := json.Marshal(kept{thisBuild(), p.slot(), hex.EncodeToString(e.content[:]), e.read})
	answer := e.answer
	if err == nil && answer == nil {
		answer, err = json.Marshal(e.result)
	}
	return slices.Concat(head, []byte("\n"), answer), err
}

// prune removes what is left of writes that a crash ended, what no tree has had
// for long, and beyond the bound the oldest.
func (s store) prune(present []string, now time.Time) error {
	if s == "" {
		return nil
	}
	wanted := map[string]bool{}
	for _, dir := range present {
		for _, stage := range stages {
			wanted[filepath.Base(s.file(dir+stage))] = true
		}
	}
	files, err := s.list()
	if err != nil {
		return err
	}
	size := int64(0)
	for _, f := range files { // the newest first
		size += f.Size()
		age := now.Sub(f.ModTime())
		left := strings.HasPrefix(f.Name(), "new-") && age > time.Hour
		if left || size > storeBytes || age > storeAge && !wanted[f.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(string(s), f.Name())))
		}
	}
	return err
}

// list is the files, the newest first.
func (s store) list() (files []fs.FileInfo, err error) {
	entries, err := os.ReadDir(string(s))
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Type().IsRegular() {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	return files, err
}
