package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Debian is an image of programs that nobody here wrote: what the Debian packages
// brought to this machine, the libraries that they need, a shell with the usual
// commands, and files of our own. Packages that are not here are no error of the
// test: it is skipped, and says so.
type Debian struct {
	// Packages are installed on this machine (testenv/engine.sh have PACKAGE…).
	Packages []string
	// Users are "name:uid", with a group of the same name and number.
	Users []string
	// Files are our own, by path; those below a bin folder can be run.
	Files map[string]string
	// Folders are empty.
	Folders []string
	Config  v1.Config
}

// shell is what scripts in an image use.
var shell = []string{"dash", "coreutils", "sed", "grep", "util-linux"}

// Image packs it. The time of every file is the same, so that equal files are
// equal digests.
func (d Debian) Image(t testing.TB) v1.Image {
	t.Helper()
	for _, p := range d.Packages {
		if out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status}", p).Output(); err != nil || string(out) != "installed" {
			t.Skipf("Debian's package %s is not on this machine: testenv/engine.sh have %s", p, p)
		}
	}
	files, err := d.files()
	if err != nil {
		t.Fatalf("packing %v: %v", d.Packages, err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err == nil {
		img, err = mutate.ConfigFile(img, withConfig(img, d.Config))
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// tree is the files of an image by path, without a slash at the beginning.
type tree map[string]*leaf

type leaf struct {
	header tar.Header
	from   string // a file of this machine
	data   string
}

func (d Debian) files() ([]byte, error) {
	all := tree{}
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		all[name] = &leaf{header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: "usr/" + name, Mode: 0o777}}
	}
	for _, p := range append(slices.Clone(shell), d.Packages...) {
		if err := all.takePackage(p); err != nil {
			return nil, err
		}
	}
	if err := all.takeLibraries(); err != nil {
		return nil, err
	}
	d.ours(all)
	return all.write()
}

// takePackage adds the files of a package but for what only people read.
func (a tree) takePackage(name string) error {
	list, err := exec.Command("dpkg-query", "-L", name).Output()
	if err != nil {
		return fmt.Errorf("listing %s: %w", name, err)
	}
	for line := range strings.Lines(string(list)) {
		at := strings.TrimSpace(line)
		if !strings.HasPrefix(at, "/") || forPeople(at) { // a line may tell of a diversion
			continue
		}
		if err := a.take(at); err != nil {
			return err
		}
	}
	return nil
}

func forPeople(at string) bool {
	for _, folder := range []string{"/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/lintian", "/usr/share/bash-completion", "/etc", "/var"} {
		if at == folder || strings.HasPrefix(at, folder+"/") {
			return true
		}
	}
	return strings.Contains(at, "/bitcode") || strings.HasSuffix(at, "llvmjit.so")
}

// take adds a file, a link or a folder of this machine under the folder that it
// really is in.
func (a tree) take(at string) error {
	dir, err := filepath.EvalSymlinks(path.Dir(at))
	if err != nil {
		return err
	}
	at = path.Join(dir, path.Base(at))
	info, err := os.Lstat(at)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(at, "/")
	if name == "" || a[name] != nil {
		return nil
	}
	link := ""
	if info.Mode()&os.ModeSymlink != 0 {
		if link, err = os.Readlink(at); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	a[name] = &leaf{header: *h, from: at}
	return nil
}

// takeLibraries adds what the programs are linked with.
func (a tree) takeLibraries() error {
	var programs []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if l := a[name]; l.header.Typeflag == tar.TypeReg && isProgram(l.from) {
			programs = append(programs, l.from)
		}
	}
	out, _ := exec.Command("ldd", programs...).Output() // one that is static makes it fail, and is no loss
	for line := range strings.Lines(string(out)) {
		for _, word := range strings.Fields(line) {
			if !strings.HasPrefix(word, "/lib") && !strings.HasPrefix(word, "/usr/lib") || strings.HasSuffix(word, ":") {
				continue
			}
			if err := a.takeLinked(word); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeLinked adds a file and, where it is a link, what it leads to.
func (a tree) takeLinked(at string) error {
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return err
	}
	if err := a.take(real); err != nil {
		return err
	}
	return a.take(at)
}

func isProgram(at string) bool {
	f, err := os.Open(at)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == "\x7fELF"
}

// ours adds users, files and folders of the image's own.
func (d Debian) ours(a tree) {
	passwd, group := "root:x:0:0::/root:/bin/sh\n", "root:x:0:\n"
	for _, u := range d.Users {
		name, id, _ := strings.Cut(u, ":")
		passwd += fmt.Sprintf("%s:x:%s:%s::/:/bin/sh\n", name, id, id)
		group += fmt.Sprintf("%s:x:%s:\n", name, id)
	}
	files := map[string]string{"/etc/passwd": passwd, "/etc/group": group}
	maps.Copy(files, d.Files)
	for at, text := range files {
		mode := int64(0o644)
		if strings.HasSuffix(path.Dir(at), "bin") {
			mode = 0o755
		}
		a[strings.TrimPrefix(at, "/")] = &leaf{header: tar.Header{Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(text))}, data: text}
	}
	for _, at := range append([]string{"/tmp"}, d.Folders...) {
		a[strings.TrimPrefix(at, "/")] = &leaf{header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o1777}}
	}
}

// write is the layer: sorted, each folder before what is in it.
func (a tree) write() ([]byte, error) {
	for name := range maps.Clone(a) {
		for dir := path.Dir(name); dir != "." && a[dir] == nil; dir = path.Dir(dir) {
			a[dir] = &leaf{header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
		}
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		l := a[name]
		h := tar.Header{Name: name, Typeflag: l.header.Typeflag, Mode: l.header.Mode, Linkname: l.header.Linkname, Size: l.header.Size}
		data := []byte(l.data)
		if l.from != "" && h.Typeflag == tar.TypeReg {
			var err error
			if data, err = os.ReadFile(l.from); err != nil {
				return nil, err
			}
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}
