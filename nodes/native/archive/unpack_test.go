package archive

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/nodes"
)

var app = []entry{
	{Name: "./", Type: tar.TypeDir, Mode: 0o700},
	{Name: "bin/", Type: tar.TypeDir, Mode: 0o700},
	{Name: "bin/run", Body: "#!/bin/sh\n", Mode: 0o4750},
	{Name: "bin/again", Link: "bin/run", Type: tar.TypeLink},
	{Name: "./etc//conf", Body: "a=1", Mode: 0o600},
	{Name: "current", Link: "bin/../etc", Type: tar.TypeSymlink},
	{Name: "later", Link: "not/there", Type: tar.TypeSymlink},
}

const appTree = `drwxr-xr-x .
drwxr-xr-x srv
dtrwxrwxrwx srv/app
drwxr-xr-x srv/app/bin
-rwxr-xr-x srv/app/bin/again #!/bin/sh

-rwxr-xr-x srv/app/bin/run #!/bin/sh

Lrwxrwxrwx srv/app/current -> bin/../etc
drwxr-xr-x srv/app/etc
-rw-r--r-- srv/app/etc/conf a=1
Lrwxrwxrwx srv/app/later -> not/there
`

var jar = []entry{{Name: "META-INF/MANIFEST.MF", Body: "Main-Class: A\n"}, {Name: "A.class", Body: "\xca\xfe"}}

// What an archive is, is told by what is in it: the URL always ends in .jar here.
func TestPull_Formats(t *testing.T) {
	yes, no := true, false
	plain := makeTar(t, app...)
	withoutHard := append(append([]entry{}, app[:3]...), app[4:]...)
	kept := "drwxr-xr-x .\ndrwxr-xr-x srv\ndtrwxrwxrwx srv/app\n-rwxr-xr-x srv/app/app.jar "
	for _, c := range []struct {
		name    string
		content []byte
		unpack  *bool
		want    string
	}{
		{"tar", plain, nil, appTree},
		{"tar.gz", makeGzip(t, plain), nil, appTree},
		{"tar.zst", makeZstd(t, plain), &yes, appTree},
		{"zip", makeZip(t, withoutHard...), nil, strings.Replace(appTree, "-rwxr-xr-x srv/app/bin/again #!/bin/sh\n\n", "", 1)},
		{"jar", makeZip(t, jar...), nil, kept + string(makeZip(t, jar...)) + "\n"},
		{"jar, unpacked", makeZip(t, jar...), &yes, `drwxr-xr-x .
drwxr-xr-x srv
dtrwxrwxrwx srv/app
-rw-r--r-- srv/app/A.class ` + "\xca\xfe" + `
drwxr-xr-x srv/app/META-INF
-rw-r--r-- srv/app/META-INF/MANIFEST.MF Main-Class: A

`},
		{"tar, kept", plain, &no, kept + string(plain) + "\n"},
		{"a program", []byte("\x7fELF"), &no, kept + "\x7fELF\n"},
		{"nothing", nil, &no, kept + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			a := s.offers(c.content)
			a.Unpack = c.unpack
			for range 2 { // once is enough
				if err := s.Pull(t.Context(), a); err != nil {
					t.Fatal(err)
				}
			}
			if got := list(t, s.tree(a)); got != c.want {
				t.Errorf("got\n%q\nwant\n%q", got, c.want)
			}
			if s.count() != min(1, len(c.content)) { // what is empty is known without asking
				t.Errorf("asked %d times", s.count())
			}
		})
	}
}

func deep(n int) string { return strings.Repeat("d/", n) + "f" }

// A hostile archive is refused whole, with a reason, and leaves nothing inside or
// outside of the store.
func TestPull_HostileArchives(t *testing.T) {
	many := make([]entry, 101)
	for i := range many {
		many[i] = entry{Name: strings.Repeat("x", i+1)}
	}
	zeros := strings.Repeat("\x00", 1<<20)
	big := make([]entry, 70)
	for i := range big {
		big[i] = entry{Name: strings.Repeat("z", i+1), Body: zeros}
	}
	locked := makeZip(t, entry{Name: "a", Body: "b"})
	for _, sign := range []string{"PK\x03\x04", "PK\x01\x02"} {
		at := bytes.Index(locked, []byte(sign)) + len(sign) + 2
		if sign == "PK\x01\x02" {
			at += 2
		}
		binary.LittleEndian.PutUint16(locked[at:], binary.LittleEndian.Uint16(locked[at:])|encrypted)
	}
	damaged := makeZip(t, entry{Name: "a", Body: strings.Repeat("some text ", 50)})
	damaged[60] ^= 0xff
	cut := makeGzip(t, makeTar(t, entry{Name: "a", Body: zeros}))
	for name, c := range map[string]struct {
		content []byte
		words   string
	}{
		"a name that leads up":                    {makeTar(t, entry{Name: "../out", Body: "x"}), "leads out of its folder"},
		"a name that leads up in the middle":      {makeTar(t, entry{Name: "a/../../out", Body: "x"}), "leads out of its folder"},
		"a name from the root":                    {makeTar(t, entry{Name: "/out", Body: "x"}), "begins at the machine's root"},
		"zip: a name that leads up":               {makeZip(t, entry{Name: "../out", Body: "x"}), "leads out of its folder"},
		"zip: a name from the root":               {makeZip(t, entry{Name: "/out", Body: "x"}), "begins at the machine's root"},
		"zip: a name with backslashes":            {makeZip(t, entry{Name: `..\out`, Body: "x"}), "backslash"},
		"zip: the same name twice":                {makeZip(t, entry{Name: "a", Body: "x"}, entry{Name: "a", Body: "y"}), "twice"},
		"zip: a device":                           {makeZip(t, entry{Name: "null", Type: tar.TypeChar}), "device"},
		"zip: a link that leads out":              {makeZip(t, entry{Name: "l", Type: tar.TypeSymlink, Link: "../../etc"}), "leads out"},
		"zip: a link from the root":               {makeZip(t, entry{Name: "l", Type: tar.TypeSymlink, Link: "/etc/shadow"}), "leads out"},
		"zip: encrypted":                          {locked, "encrypted"},
		"zip: damaged":                            {damaged, "its entry"},
		"zip: more than was said":                 {makeZip(t, big...), "unpacks to more than"},
		"zip: only a beginning":                   {[]byte("PK\x03\x04 and no more"), "its directory"},
		"a link that leads out":                   {makeTar(t, entry{Name: "l", Type: tar.TypeSymlink, Link: "../x"}), "leads out"},
		"a link from the root":                    {makeTar(t, entry{Name: "l", Type: tar.TypeSymlink, Link: "/etc"}), "leads out"},
		"a link to nothing":                       {makeTar(t, entry{Name: "l", Type: tar.TypeSymlink, Link: ""}), "leads out"},
		"a file through a link":                   {makeTar(t, entry{Name: "l", Type: tar.TypeSymlink, Link: "d"}, entry{Name: "d/", Type: tar.TypeDir}, entry{Name: "l/x", Body: "x"}), "a folder and something else"},
		"a folder over a link":                    {makeTar(t, entry{Name: "l", Type: tar.TypeSymlink, Link: "."}, entry{Name: "l/", Type: tar.TypeDir}), "a folder and something else"},
		"a file over a link":                      {makeTar(t, entry{Name: "l", Type: tar.TypeSymlink, Link: "x"}, entry{Name: "l", Body: "x"}), "twice"},
		"a chain of links that leads out":         {makeTar(t, entry{Name: "a/b/", Type: tar.TypeDir}, entry{Name: "a/b/up", Type: tar.TypeSymlink, Link: "../.."}, entry{Name: "l", Type: tar.TypeSymlink, Link: "a/b/up/../x"}, entry{Name: "x", Body: "x"}), "leads out of its folder or nowhere"},
		"links in a ring":                         {makeTar(t, entry{Name: "a", Type: tar.TypeSymlink, Link: "b"}, entry{Name: "b", Type: tar.TypeSymlink, Link: "a"}), "leads out of its folder or nowhere"},
		"a hard link that leads out":              {makeTar(t, entry{Name: "h", Type: tar.TypeLink, Link: "../../../../etc/passwd"}), "leads out"},
		"a hard link from the root":               {makeTar(t, entry{Name: "h", Type: tar.TypeLink, Link: "/etc/passwd"}), "machine's root"},
		"a hard link to a link":                   {makeTar(t, entry{Name: "l", Type: tar.TypeSymlink, Link: "x"}, entry{Name: "h", Type: tar.TypeLink, Link: "l"}), "no file of it"},
		"a hard link to what comes later":         {makeTar(t, entry{Name: "h", Type: tar.TypeLink, Link: "x"}, entry{Name: "x", Body: "x"}), "no file of it"},
		"a character device":                      {makeTar(t, entry{Name: "null", Type: tar.TypeChar}), "device"},
		"a block device":                          {makeTar(t, entry{Name: "sda", Type: tar.TypeBlock}), "device"},
		"a pipe":                                  {makeTar(t, entry{Name: "p", Type: tar.TypeFifo}), "device"},
		"the folder itself as a file":             {makeTar(t, entry{Name: ".", Body: "x"}), "is no folder"},
		"a file that is a folder":                 {makeTar(t, entry{Name: "a", Body: "x"}, entry{Name: "a/b", Body: "x"}), "a folder and something else"},
		"a name too long for the disk":            {makeTar(t, entry{Name: strings.Repeat("n", 300), Body: "x"}), "name too long"},
		"a name too long for all":                 {makeTar(t, entry{Name: strings.Repeat("n/", 3000), Type: tar.TypeDir}), "an entry with the name"},
		"too deep":                                {makeTar(t, entry{Name: deep(10), Body: "x"}), "folders deep"},
		"too many":                                {makeTar(t, many...), "more than 100 entries"},
		"folders that nobody named count as well": {makeTar(t, folders(60)...), "more than 100 entries"},
		"more than it may":                        {makeTar(t, big...), "unpacks to more than 64 MiB"},
		"a bomb":                                  {makeGzip(t, makeTar(t, big...)), "unpacks to more than 64 MiB"},
		"a bomb of headers":                       {makeZstd(t, bytes.Repeat(makeTar(t, entry{Name: "x", Body: zeros})[:1<<20+512], 70)), "twice"},
		"no archive":                              {[]byte("hello"), "unpack: false"},
		"a page that says that it is not there":   {[]byte("<html>" + strings.Repeat(" ", 600)), "unpack: false"},
		"nothing at all":                          {nil, "unpack: false"},
		"compressed, and no tar":                  {makeGzip(t, []byte(strings.Repeat("hello ", 200))), "invalid tar header"},
		"cut off":                                 {cut[:len(cut)/2], "unexpected EOF"},
		"an empty tar":                            {makeGzip(t, makeTar(t)), "it is empty"},
		"an empty zip":                            {makeZip(t), "it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.Limits = Limits{Reserve: -1, Bytes: 64 << 20, Entries: 100, Depth: 10} })
			a := s.offers(c.content)
			before := list(t, filepath.Dir(s.cfg.Dir))
			s.wantFailure(s.Pull(t.Context(), a), nodes.ArtifactInvalid, c.words)
			s.wantNothing()
			if _, _, err := s.Use(a); err == nil {
				t.Error("it is there")
			}
			if err := os.RemoveAll(s.path("partial", a.SHA256)); err != nil {
				t.Fatal(err)
			}
			if after := list(t, filepath.Dir(s.cfg.Dir)); after != before {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
		})
	}
}

// folders are n of files, each in a folder of its own.
func folders(n int) (all []entry) {
	for i := range n {
		all = append(all, entry{Name: strings.Repeat("d", i+1) + "/f"})
	}
	return all
}

func TestLimits_Ratio(t *testing.T) {
	l := Limits{Bytes: 1 << 30, Ratio: 10}
	for packed, want := range map[int64]int64{0: freeOfRatio, 1 << 20: freeOfRatio, 10 << 20: 100 << 20, 1 << 30: 1 << 30, 1 << 60: 1 << 30} {
		if got := l.most(packed); got != want {
			t.Errorf("%d bytes: got %d, want %d", packed, got, want)
		}
	}
}
