package image

import (
	"archive/tar"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// An image of Debian's packages has their programs, the libraries that these are
// linked with, users, and our own files; equal ones are equal digests.
func TestDebian_HasWhatItsProgramsNeed(t *testing.T) {
	d := Debian{Packages: []string{"tar"}, Users: []string{"app:1000"}, Files: map[string]string{"/usr/local/bin/hi": "#!/bin/sh\necho hi\n"}, Folders: []string{"/data"}}
	img := d.Image(t)
	found := map[string]tar.Header{}
	passwd := ""
	r := mutate.Extract(img)
	defer r.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found[strings.Trim(h.Name, "/")] = *h
		if strings.Trim(h.Name, "/") == "etc/passwd" {
			text, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			passwd = string(text)
		}
	}
	for name, mode := range map[string]int64{"usr/bin/tar": 0o755, "usr/bin/dash": 0o755, "usr/bin/setpriv": 0o755, "usr/local/bin/hi": 0o755, "data": 0o1777, "tmp": 0o1777, "etc/passwd": 0o644} {
		if h, there := found[name]; !there || h.Mode&0o7777 != mode {
			t.Errorf("%s: %v, mode %o", name, there, h.Mode)
		}
	}
	for _, part := range []string{"libc.so.6", "ld-linux"} {
		if !slices.ContainsFunc(keys(found), func(name string) bool { return strings.Contains(name, part) }) {
			t.Errorf("no %s", part)
		}
	}
	if _, there := found["usr/share/doc/tar"]; there {
		t.Error("what people read is in it")
	}
	if !strings.Contains(passwd, "app:x:1000:1000:") {
		t.Errorf("%q", passwd)
	}
	one, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := d.Image(t).Digest(); err != nil || one != two {
		t.Errorf("%s and %s, %v", one, two, err)
	}
}

func keys(m map[string]tar.Header) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}
