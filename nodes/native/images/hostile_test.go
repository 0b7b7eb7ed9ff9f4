package images_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/testenv/image"
)

// up is the way from a layer's root under tmp to the directory that holds the
// store and the canary.
const up = "../../../../"

// small are limits that a hostile layer meets at once.
var small = images.Limits{LayerBytes: 1 << 20, Entries: 200, Depth: 10, Layers: 5, Reserve: -1}

// hostile is a layer that means harm; refused are words of the refusal, "" where
// it is harmless once unpacked.
type hostile struct {
	name    string
	layer   func(t *testing.T, outside string) []byte
	refused string
}

func entries(list ...entry) func(*testing.T, string) []byte {
	return func(t *testing.T, _ string) []byte { return archived(t, list...) }
}

func with(e entry, change func(*tar.Header)) entry {
	change(&e.Header)
	return e
}

func device(name string, kind byte, major, minor int64) entry {
	return entry{Header: tar.Header{Name: name, Typeflag: kind, Mode: 0o666, Devmajor: major, Devminor: minor}}
}

func xattr(name, attr, value string) entry {
	return with(file(name, ""), func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr." + attr: value} })
}

var corpus = []hostile{
	{"parent", entries(file(up+"canary", "pwned")), "leads out of the image"},
	{"parent, later", entries(folder("a"), file("a/b/../../"+up+"canary", "pwned")), "leads out of the image"},
	{"parent's directory", entries(folder(up + "new")), "leads out of the image"},
	{"parent's whiteout", entries(file(up+".wh.canary", "")), "leads out of the image"},
	{"parent's opacity", entries(file(up+".wh..wh..opq", "")), "leads out of the image"},
	{"parent itself", entries(with(folder(".."), func(h *tar.Header) { h.Mode = 0 })), "leads out of the image"},
	{"absolute", func(t *testing.T, outside string) []byte { return archived(t, file(outside+"/canary", "pwned")) }, "absolute name"},
	{"absolute device", entries(device("/dev/bayplan-null", tar.TypeChar, 1, 3)), "absolute name"},

	{"through a link", entries(symlink("l", up), file("l/canary", "pwned")), "by a symbolic link"},
	{"through a link in a directory", entries(folder("a"), symlink("a/l", "../"+up), file("a/l/canary", "pwned")), "by a symbolic link"},
	{"through a chain of links", entries(symlink("a", ".."), symlink("b", "a/.."), symlink("c", "b/../.."), file("c/canary", "pwned")), "by a symbolic link"},
	{"through a link that was a directory", entries(folder("a"), file("a/b", ""), symlink("a", up), file("a/canary", "pwned")), "by a symbolic link"},
	{"whiteout through a link", entries(symlink("l", up), file("l/.wh.canary", "")), "by a symbolic link"},
	{"opacity through a link", entries(symlink("l", up), file("l/.wh..wh..opq", "")), "by a symbolic link"},
	{"links in a circle", entries(symlink("a", "b"), symlink("b", "a"), file("a/x", "")), "more than 40 symbolic links"},
	{"through an absolute link", func(t *testing.T, outside string) []byte {
		return archived(t, symlink("l", outside), file("l/canary", "pwned"))
	}, ""},
	{"onto a link", func(t *testing.T, outside string) []byte {
		return archived(t, symlink("l", outside+"/canary"), file("l", "pwned"))
	}, ""},
	{"directory onto a link", func(t *testing.T, outside string) []byte {
		return archived(t, symlink("l", outside+"/dir"), with(folder("l"), func(h *tar.Header) { h.Mode = 0o777 }))
	}, ""},
	{"directory's time through a link", func(t *testing.T, outside string) []byte {
		d := with(folder("d"), func(h *tar.Header) { h.ModTime = time.Unix(1, 0) })
		return archived(t, d, symlink("d", outside+"/dir"))
	}, "cannot be unpacked"},
	{"opacity where a link is now", func(t *testing.T, outside string) []byte {
		return archived(t, folder("a"), file("a/.wh.dir", ""), symlink("a", outside))
	}, "cannot be unpacked"},
	{"opacity where an implied directory's link is now", func(t *testing.T, outside string) []byte {
		return archived(t, file("a/.wh.dir", ""), symlink("a", outside))
	}, ""},
	{"opacity where a short link is now", entries(folder("a"), file("a/.wh.dir", ""), symlink("a", up)), ""},

	{"hard link to the parent's", entries(hardlink("h", up+"canary")), "out of the image"},
	{"hard link through a link", entries(symlink("l", up), hardlink("h", "l/canary")), "by a symbolic link"},
	{"hard link to an absolute name", func(t *testing.T, outside string) []byte {
		return archived(t, hardlink("h", outside+"/canary"), file("h", "pwned"))
	}, "cannot be unpacked"},
	{"hard link through an absolute link", func(t *testing.T, outside string) []byte {
		return archived(t, symlink("l", outside), hardlink("h", "l/canary"))
	}, "cannot be unpacked"},
	{"hard link to a link, written to", func(t *testing.T, outside string) []byte {
		return archived(t, symlink("l", outside+"/canary"), hardlink("h", "l"), file("h", "pwned"))
	}, ""},
	{"hard link to itself", entries(file("h", "x"), hardlink("h", "h")), "cannot be unpacked"},
	{"hard link to nothing", entries(with(hardlink("h", "x"), func(h *tar.Header) { h.Linkname = "" })), "0 bytes"},

	{"block device", entries(device("sda", tar.TypeBlock, 8, 0)), "is a device"},
	{"character device", entries(device("null", tar.TypeChar, 1, 3)), "is a device"},
	{"device under dev", entries(folder("dev"), device("dev/mem", tar.TypeChar, 1, 1)), ""},
	{"device beside dev", entries(folder("dev"), device("dev/../mem", tar.TypeChar, 1, 1)), "is a device"},
	{"device 0:0 is a whiteout", entries(device("gone", tar.TypeChar, 0, 0)), ""},

	{"whiteout of nothing", entries(folder("a"), file("a/.wh.", "")), "removes a directory from within"},
	{"whiteout of its directory", entries(folder("a"), file("a/.wh..", "")), "removes a directory from within"},
	{"whiteout of its parent", entries(folder("a"), file("a/.wh...", "")), "removes a directory from within"},
	{"whiteout of the root", entries(file(".wh..", "")), "removes a directory from within"},
	{"below a whiteout", entries(file(".wh.a/b", "")), "lies in something that is removed"},
	{"below what it removed", entries(file(".wh.a", ""), file("a/b", "")), "cannot be unpacked"},
	{"below a file", entries(file("a", ""), file("a/b", "")), "cannot be unpacked"},

	{"overlay's xattrs", entries(xattr("a", "trusted.overlay.redirect", up), xattr("b", "trusted.overlay.metacopy", "y"), xattr("c", "user.overlay.opaque", "y"), xattr("d", "security.selinux", "x")), ""},
	{"a user's xattr on a link", entries(with(symlink("l", "x"), func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "b"} })), ""},
	{"a large xattr", entries(xattr("a", "user.a", strings.Repeat("x", 1<<17))), "cannot be unpacked"},
	{"owner beyond 32 bits", entries(with(file("a", ""), func(h *tar.Header) { h.Uid = 1 << 32 })), "has the owner"},
	{"owner nobody has", entries(with(file("a", ""), func(h *tar.Header) { h.Gid = -1 })), "has the owner"},
	{"set-user-ID", entries(with(file("a", ""), func(h *tar.Header) { h.Mode = 0o6755 })), ""},
	{"unknown kind", entries(with(file("a", ""), func(h *tar.Header) { h.Typeflag = tar.TypeCont })), "unknown kind"},
	{"pipe", entries(with(file("a", ""), func(h *tar.Header) { h.Typeflag = tar.TypeFifo })), ""},

	{"deep", entries(file(strings.Repeat("a/", 11)+"b", "")), "directories deep"},
	{"long name", entries(file(strings.Repeat("a", 300), "")), "has a name of 300 bytes"},
	{"many entries", func(t *testing.T, _ string) []byte {
		var list []entry
		for i := range 201 {
			list = append(list, file(fmt.Sprint(i), ""))
		}
		return archived(t, list...)
	}, "more than 200 entries"},
	{"many bytes", func(t *testing.T, _ string) []byte {
		return packed(archived(t, file("a", strings.Repeat("x", 600<<10)), file("b", strings.Repeat("x", 600<<10))))
	}, "more than 1048576 bytes"},
	{"a bomb of zeros", func(*testing.T, string) []byte { return packed(make([]byte, 4<<20)) }, "more than 1048576 bytes"},
	{"a bomb behind the end", func(t *testing.T, _ string) []byte {
		return packed(append(archived(t, file("a", "")), make([]byte, 4<<20)...))
	}, "more than 1048576 bytes"},
	{"holes", func(*testing.T, string) []byte { return sparse("a", 1<<40) }, "more than 1048576 bytes"},
	{"noise", func(*testing.T, string) []byte { return []byte(strings.Repeat("hostile", 1000)) }, "is refused"},
	{"noise, compressed", func(*testing.T, string) []byte { return []byte("\x1f\x8b\x08" + strings.Repeat("hostile", 1000)) }, "is refused"},
	{"noise for zstd", func(*testing.T, string) []byte { return []byte("\x28\xb5\x2f\xfd" + strings.Repeat("hostile", 1000)) }, "is refused"},
	{"cut in the middle", func(t *testing.T, _ string) []byte { return archived(t, file("a", strings.Repeat("x", 4096)))[:2048] }, "is refused"},
	{"noise behind the end", func(t *testing.T, _ string) []byte { return append(packed(archived(t, file("a", ""))), "noise"...) }, "is refused"},
}

func packed(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// sparse is a file of size bytes that are all one hole, as GNU tar writes it.
func sparse(name string, size int64) []byte {
	records := ""
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=" + name, fmt.Sprint("GNU.sparse.realsize=", size)} {
		records += fmt.Sprintf("%d %s\n", len(r)+4, r)
	}
	holes := fmt.Sprintf("1\n%d\n0\n", size)
	var out bytes.Buffer
	out.Write(rawHeader("pax", tar.TypeXHeader, int64(len(records))))
	out.Write(block(records))
	out.Write(rawHeader(name, tar.TypeReg, 512))
	out.Write(block(holes))
	out.Write(make([]byte, 1024))
	return out.Bytes()
}

func block(s string) []byte { return append([]byte(s), make([]byte, (512-len(s)%512)%512)...) }

// rawHeader is one that tar.Writer would not write.
func rawHeader(name string, kind byte, size int64) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00%011o\x00        ", size, 0))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func TestHostile_NothingOutsideIsTouchedAndNothingIsLeft(t *testing.T) {
	needRoot(t)
	r := image.NewRegistry(t)
	for i, h := range corpus {
		t.Run(h.name, func(t *testing.T) {
			outside := t.TempDir()
			fillOutside(t, outside)
			before := surroundings(t, outside)
			ref := r.Push(t, fmt.Sprintf("hostile:%d", i), packedImage(t, h.layer(t, outside)))
			store := filepath.Join(outside, "store")
			s := open(t, images.Config{Dir: store, Limits: small})
			got, err := s.Pull(t.Context(), ref)
			if d := cmp.Diff(before, surroundings(t, outside)); d != "" {
				t.Errorf("outside was touched: %s", d)
			}
			if h.refused == "" {
				wantHarmless(t, got, err)
				return
			}
			wantFailure(t, err, nodes.PullFailed, "refused", h.refused)
			wantNothingLeft(t, store)
		})
	}
}

func fillOutside(t *testing.T, outside string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(outside, "canary"), []byte("alive"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(outside, "dir", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// surroundings is all that an escape could change beside the store.
func surroundings(t *testing.T, outside string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range []string{"canary", "dir", "dir/x"} {
		path := filepath.Join(outside, name)
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			found[name] = err.Error()
			continue
		}
		text, _ := os.ReadFile(path)
		attrs := make([]byte, 1024)
		n, _ := unix.Llistxattr(path, attrs)
		found[name] = fmt.Sprintf("%o %d:%d links %d at %v: %q %q", st.Mode, st.Uid, st.Gid, st.Nlink, st.Mtim, text, attrs[:max(n, 0)])
	}
	list, err := os.ReadDir(outside)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Name() != "store" {
			found["list"] += e.Name() + " "
		}
	}
	return found
}

// wantHarmless checks an image that was taken: no device but whiteouts, no
// attribute of overlayfs that a layer chose, and nobody else may look.
func wantHarmless(t *testing.T, img images.Image, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	root := img.Layers[0]
	store := filepath.Dir(filepath.Dir(filepath.Dir(root)))
	if info, err := os.Stat(store); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the store is %v, %v", info.Mode(), err)
	}
	filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		var st unix.Stat_t
		if err != nil || unix.Lstat(path, &st) != nil {
			t.Fatal(err)
		}
		if d.Type()&os.ModeDevice != 0 && st.Rdev != 0 {
			t.Errorf("%s is the device %x", path, st.Rdev)
		}
		attrs := make([]byte, 1024)
		n, _ := unix.Llistxattr(path, attrs)
		if list := string(attrs[:max(n, 0)]); strings.Contains(list, "redirect") || strings.Contains(list, "metacopy") || strings.Contains(list, "user.overlay") || strings.Contains(list, "selinux") {
			t.Errorf("%s has %q", path, list)
		}
		return nil
	})
}
