package images_test

import (
	"archive/tar"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/testenv/image"
)

// joined is what a container sees of the layers.
func joined(t *testing.T, img images.Image) map[string]string {
	t.Helper()
	dir := t.TempDir()
	lower := slices.Clone(img.Layers)
	slices.Reverse(lower)
	if len(lower) == 1 {
		lower = append(lower, t.TempDir()) // the kernel wants two
	}
	if err := unix.Mount("overlay", dir, "overlay", unix.MS_RDONLY|unix.MS_NODEV, "lowerdir="+strings.Join(lower, ":")); err != nil {
		t.Skipf("mounting an overlay: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	return tree(t, dir)
}

func TestOverlay_ShowsWhatTheImageSays(t *testing.T) {
	needRoot(t)
	base := archived(t,
		folder("d"), file("d/old", "1"), folder("d/sub"), file("d/sub/x", "1"),
		file("gone", "1"), file("kept", "1"), file("swap", "1"))
	const dir = "d---------"
	for name, c := range map[string]struct {
		above []entry
		want  map[string]string
	}{
		"a file removed": {
			[]entry{file(".wh.gone", ""), file("d/.wh.old", "")},
			map[string]string{"d": dir, "d/sub": dir, "d/sub/x": "1", "kept": "1", "swap": "1"},
		},
		"a directory removed": {
			[]entry{file(".wh.d", "")},
			map[string]string{"gone": "1", "kept": "1", "swap": "1"},
		},
		"a directory opaque": {
			[]entry{folder("d"), file("d/.wh..wh..opq", ""), file("d/new", "2")},
			map[string]string{"d": dir, "d/new": "2", "gone": "1", "kept": "1", "swap": "1"},
		},
		"opaque said last": {
			[]entry{folder("d"), file("d/new", "2"), file("d/.wh..wh..opq", "")},
			map[string]string{"d": dir, "d/new": "2", "gone": "1", "kept": "1", "swap": "1"},
		},
		"a directory removed and made anew": {
			[]entry{file(".wh.d", ""), folder("d"), file("d/new", "2")},
			map[string]string{"d": dir, "d/new": "2", "gone": "1", "kept": "1", "swap": "1"},
		},
		"made anew, removed below": {
			[]entry{folder("d"), file("d/new", "2"), file(".wh.d", "")},
			map[string]string{"d": dir, "d/new": "2", "gone": "1", "kept": "1", "swap": "1"},
		},
		"a file replaced, its mark before and behind": {
			[]entry{file(".wh.kept", ""), file("kept", "2"), file("gone", "2"), file(".wh.gone", "")},
			map[string]string{"d": dir, "d/old": "1", "d/sub": dir, "d/sub/x": "1", "gone": "2", "kept": "2", "swap": "1"},
		},
		"a file becomes a directory": {
			[]entry{folder("swap"), file("swap/in", "2")},
			map[string]string{"d": dir, "d/old": "1", "d/sub": dir, "d/sub/x": "1", "gone": "1", "kept": "1", "swap": dir, "swap/in": "2"},
		},
		"a directory becomes a link": {
			[]entry{symlink("d", "kept")},
			map[string]string{"d": "→ kept", "gone": "1", "kept": "1", "swap": "1"},
		},
		"everything opaque": {
			[]entry{file(".wh..wh..opq", ""), file("new", "2")},
			map[string]string{"new": "2"},
		},
		"a device as the mark": {
			[]entry{device("d", tar.TypeChar, 0, 0)},
			map[string]string{"gone": "1", "kept": "1", "swap": "1"},
		},
		"the bookkeeping of aufs": {
			[]entry{folder(".wh..wh.plnk"), file(".wh..wh.aufs", ""), file("new", "2")},
			map[string]string{"d": dir, "d/old": "1", "d/sub": dir, "d/sub/x": "1", "gone": "1", "kept": "1", "swap": "1", "new": "2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ref := image.NewRegistry(t).Push(t, "shop/web:1", layered(t, v1.Config{}, base, archived(t, c.above...)))
			img := mustPull(t, open(t, images.Config{}), ref)
			if d := cmp.Diff(c.want, joined(t, img)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOverlay_LayerThatComesTwice(t *testing.T) {
	needRoot(t)
	one := archived(t, file("a", "1"), folder("d"), file("d/x", "1"), file(".wh.b", ""))
	two := archived(t, file("a", "2"), file(".wh.d", ""), file("b", "2"), file("c", "2"))
	ref := image.NewRegistry(t).Push(t, "shop/web:1", layered(t, v1.Config{}, one, two, one, one))
	img := mustPull(t, open(t, images.Config{}), ref)
	if d := cmp.Diff(map[string]string{"a": "1", "c": "2", "d": "d---------", "d/x": "1"}, joined(t, img)); d != "" {
		t.Error(d)
	}
}

func TestUnpack_KeepsOwnersModesAndCapabilities(t *testing.T) {
	needRoot(t)
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // cap_net_bind_service=ep
	ref := image.NewRegistry(t).Push(t, "shop/web:1", layered(t, v1.Config{}, archived(t,
		with(file("su", "x"), func(h *tar.Header) { h.Mode, h.Uid, h.Gid = 0o4755, 0, 50 }),
		with(folder("tmp"), func(h *tar.Header) { h.Mode, h.Uid = 0o1777, 1000 }),
		xattr("ping", "security.capability", capability),
		symlink("link", "/absolute/../stays"))))
	root := mustPull(t, open(t, images.Config{}), ref).Layers[0]
	for name, want := range map[string]unix.Stat_t{
		"su":  {Mode: unix.S_IFREG | 0o4755, Gid: 50},
		"tmp": {Mode: unix.S_IFDIR | 0o1777, Uid: 1000},
		".":   {Mode: unix.S_IFDIR | 0o755},
	} {
		var st unix.Stat_t
		if err := unix.Lstat(root+"/"+name, &st); err != nil || st.Mode != want.Mode || st.Uid != want.Uid || st.Gid != want.Gid {
			t.Errorf("%s: %o %d:%d, %v", name, st.Mode, st.Uid, st.Gid, err)
		}
	}
	got := make([]byte, 64)
	if n, err := unix.Lgetxattr(root+"/ping", "security.capability", got); err != nil || string(got[:n]) != capability {
		t.Errorf("capability %q, %v", got[:max(n, 0)], err)
	}
	if to, _ := os.Readlink(root + "/link"); to != "/absolute/../stays" {
		t.Errorf("link to %s", to)
	}
}
