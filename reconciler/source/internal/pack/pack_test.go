package pack

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var generous = Limits{Objects: 1 << 20, Object: 64 << 20, Total: 1 << 30, Memory: 256 << 20}

// history is a repository with files that grow, in a pack as git makes it.
func history(t testing.TB, commits, files int, args ...string) (data []byte, index []byte) {
	t.Helper()
	dir := t.TempDir()
	git := func(stdin string, args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
		cmd.Stdin, cmd.Env = strings.NewReader(stdin), append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("", "init", "-q", "--bare", ".")
	var stream, text strings.Builder
	for i := range commits {
		fmt.Fprintf(&text, "line %d of a file that grows %d\n", i, i*7919)
		fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter Ann <ann@example.org> %d +0000\ndata 1\nx", 1_700_000_000+i)
		for f := range max(1, files/commits) {
			body := fmt.Sprintf("%d %d\n%s", i, f, text.String())
			fmt.Fprintf(&stream, "M 644 inline team%d/%d.cue\ndata %d\n%s\n", f%7, (i*files/commits+f)%files, len(body), body)
		}
	}
	git(stream.String(), "fast-import", "--quiet")
	git("", append(append([]string{"-c", "pack.threads=1"}, args...), "repack", "-q", "-a", "-d", "-f", "--depth=50", "--window=20")...)
	found, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	for _, x := range []struct {
		file string
		to   *[]byte
	}{{found[0], &data}, {strings.TrimSuffix(found[0], "pack") + "idx", &index}} {
		if *x.to, err = os.ReadFile(x.file); err != nil {
			t.Fatal(err)
		}
	}
	return data, index
}

func TestRead_IndexIsGits(t *testing.T) {
	for name, args := range map[string][]string{"pointing": nil, "naming": {"-c", "repack.useDeltaBaseOffset=false"}} {
		t.Run(name, func(t *testing.T) {
			data, want := history(t, 60, 120, args...)
			p, err := Read(t.Context(), data, generous)
			if err != nil {
				t.Fatal(err)
			}
			deltas := map[kind]int{}
			for _, o := range p.objects {
				deltas[o.kind]++
			}
			if deltas[ofsDelta]+deltas[refDelta] < 50 || (name == "naming") != (deltas[refDelta] > 50) {
				t.Fatalf("deltas %v", deltas)
			}
			var got bytes.Buffer
			if err := p.WriteIndex(&got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Error("the index is not git's")
			}
		})
	}
}

// A pack that is cut off anywhere, or has one bit turned, is refused.
func TestRead_Damaged(t *testing.T) {
	data, _ := history(t, 5, 5)
	for n := range len(data) {
		if _, err := Read(t.Context(), data[:n], generous); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d bytes of %d: %v", n, len(data), err)
		}
		if _, err := Read(t.Context(), reseal(data[:max(n, 20)]), generous); !errors.Is(err, ErrMalformed) && n < len(data) {
			t.Fatalf("%d bytes of %d, sealed: %v", n, len(data), err)
		}
		turned := bytes.Clone(data)
		turned[n] ^= 0x10
		if _, err := Read(t.Context(), turned, generous); !errors.Is(err, ErrMalformed) {
			if _, excess := errors.AsType[*ExcessError](err); !excess {
				t.Fatalf("byte %d turned: %v", n, err)
			}
		}
	}
}

// reseal gives a pack the checksum that fits.
func reseal(data []byte) []byte {
	body := data[:len(data)-sha1.Size]
	sum := sha1.Sum(body)
	return append(bytes.Clone(body), sum[:]...)
}

// forged makes packs that git would not.
type forged struct {
	bytes.Buffer
	count uint32
}

func (f *forged) object(k kind, says int64, before, content []byte) (at int) {
	at = headerSize + f.Len()
	f.count++
	c := byte(k)<<4 | byte(says&15)
	for says >>= 4; says > 0; says >>= 7 {
		f.WriteByte(c | 0x80)
		c = byte(says & 0x7f)
	}
	f.WriteByte(c)
	f.Write(before)
	z := zlib.NewWriter(&f.Buffer)
	_, _ = z.Write(content)
	_ = z.Close()
	return at
}

func (f *forged) seal() []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("PACK"), version), f.count)
	return reseal(append(append(head, f.Bytes()...), make([]byte, sha1.Size)...))
}

// delta copies the base's first bytes again and again until there are size.
func delta(base, size int) []byte {
	d := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(base)), uint64(size))
	for left := size; left > 0; {
		n := min(left, base, 0xffffff)
		d = append(d, 0x80|0x70, byte(n), byte(n>>8), byte(n>>16))
		left -= n
	}
	return d
}

func TestRead_Bounds(t *testing.T) {
	lim := Limits{Objects: 50, Object: 1 << 20, Total: 16 << 20, Memory: 3 << 20}
	zeros := make([]byte, 1<<20)
	for name, test := range map[string]struct {
		forge func(*forged)
		want  string // "" is malformed
	}{
		"2 GB in one object":         {func(f *forged) { f.object(3, 2<<30, nil, zeros) }, "bytes of one object: 2147483648, and at most 1048576"},
		"more objects than bytes":    {func(f *forged) { f.count = 49 }, ""},
		"too many objects":           {func(f *forged) { f.count = 1 << 31 }, "objects: 2147483648"},
		"inflates to more":           {func(f *forged) { f.object(3, 10, nil, zeros) }, ""},
		"inflates to less":           {func(f *forged) { f.object(3, 11, nil, zeros[:10]) }, ""},
		"of a type that is none":     {func(f *forged) { f.object(5, 1, nil, zeros[:1]) }, ""},
		"a delta on what follows":    {func(f *forged) { f.object(ofsDelta, 1, []byte{1}, zeros[:1]) }, ""},
		"a delta on what is missing": {func(f *forged) { f.object(refDelta, 1, zeros[:20], zeros[:1]) }, ""},
		"gigabytes in small objects": {func(f *forged) {
			for range 20 {
				f.object(3, 1<<20, nil, zeros)
			}
		}, "bytes of all objects together"},
		"gigabytes in small deltas": {func(f *forged) {
			base := f.object(3, 1<<16, nil, zeros[:1<<16])
			for range 20 {
				d := delta(1<<16, 1<<20)
				f.object(ofsDelta, int64(len(d)), offset(base, headerSize+f.Len()), d)
			}
		}, "bytes of all objects together"},
		"a delta that says gigabytes": {func(f *forged) {
			base := f.object(3, 16, nil, zeros[:16])
			d := binary.AppendUvarint(binary.AppendUvarint(nil, 16), 1<<40)
			f.object(ofsDelta, int64(len(d)), offset(base, headerSize+f.Len()), d)
		}, "bytes of one object: 1099511627776"},
		"a delta that makes more than it says": {func(f *forged) {
			base := f.object(3, 16, nil, zeros[:16])
			d := append(delta(16, 64), 0x90, 16)
			f.object(ofsDelta, int64(len(d)), offset(base, headerSize+f.Len()), d)
		}, ""},
		"a tree of large deltas": {func(f *forged) {
			at := f.object(3, 1<<20, nil, zeros)
			for range 5 { // each has a child that goes on and one that waits
				d := delta(1<<20, 1<<20-1)
				d2 := append(binary.AppendUvarint(binary.AppendUvarint(nil, 1<<20), 1<<20), delta(1<<20, 1<<20)[6:]...)
				f.object(ofsDelta, int64(len(d)), offset(at, headerSize+f.Len()), d)
				at = f.object(ofsDelta, int64(len(d2)), offset(at, headerSize+f.Len()), d2)
			}
		}, "bytes of objects that others are made from"},
	} {
		t.Run(name, func(t *testing.T) {
			var f forged
			test.forge(&f)
			_, err := Read(t.Context(), f.seal(), lim)
			excess, is := errors.AsType[*ExcessError](err)
			if is != (test.want != "") || is && !strings.Contains(excess.Error(), test.want) || !is && !errors.Is(err, ErrMalformed) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// offset is how far a delta at there is from its base, as packs say it.
func offset(base, there int) []byte {
	n := there - base
	out := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		n--
		out = append([]byte{byte(n&0x7f) | 0x80}, out...)
	}
	return out
}

func TestRead_EndsWithItsContext(t *testing.T) {
	data, _ := history(t, 5, 5)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, data, generous); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	data, _ := history(f, 4, 4)
	f.Add(data)
	var x forged
	base := x.object(3, 16, nil, make([]byte, 16))
	d := delta(16, 64)
	x.object(ofsDelta, int64(len(d)), offset(base, headerSize+x.Len()), d)
	f.Add(x.seal())
	lim := Limits{Objects: 100, Object: 1 << 16, Total: 1 << 20, Memory: 1 << 18}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > sha1.Size {
			data = reseal(data)
		}
		p, err := Read(t.Context(), data, lim)
		if _, excess := errors.AsType[*ExcessError](err); err != nil && !excess && !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
		if err == nil && p.Len() > lim.Objects {
			t.Error(p.Len())
		}
	})
}

func BenchmarkRead(b *testing.B) {
	data, _ := history(b, 1000, 5000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Read(b.Context(), data, generous); err != nil {
			b.Fatal(err)
		}
	}
}
