package images_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bayplan/bayplan/nodes/native/images"
	"github.com/bayplan/bayplan/testenv/image"
)

// typical is a layer of 3,000 files and 90 MB in 300 directories, of text that
// compresses to a third.
func typical(t testing.TB) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := make([][]byte, 4096)
	for i := range words {
		words[i] = fmt.Appendf(nil, "%x ", rnd.Uint64N(1<<uint(8+rnd.IntN(40))))
	}
	var list []entry
	for i := range 3000 {
		if i%10 == 0 {
			list = append(list, folder(fmt.Sprintf("usr/lib/package-%d", i/10)))
		}
		var b bytes.Buffer
		for b.Len() < 30_000 {
			b.Write(words[rnd.IntN(len(words))])
		}
		list = append(list, file(fmt.Sprintf("usr/lib/package-%d/file-%d", i/10, i), b.String()))
	}
	return archived(t, list...)
}

func BenchmarkUnpack(b *testing.B) {
	plain := typical(b)
	gz := packed(plain)
	for name, layer := range map[string][]byte{"tar": plain, "gzip": gz} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			before := cpu()
			for b.Loop() {
				if _, err := images.Unpack(b.Context(), b.TempDir(), bytes.NewReader(layer), images.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
			report(b, before, len(plain))
		})
	}
}

// report is how many megabytes a second of processor time brings.
func report(b *testing.B, before time.Duration, size int) {
	b.ReportMetric(float64(size)*float64(b.N)/1e6/(cpu()-before).Seconds(), "MB/cpu-s")
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPull is from a registry on loopback to a layer on the disk.
func BenchmarkPull(b *testing.B) {
	r := image.NewRegistry(b)
	plain := typical(b)
	ref := r.Push(b, "shop/web:1", layered(b, v1.Config{}, plain))
	b.SetBytes(int64(len(plain)))
	before := cpu()
	for i := 0; b.Loop(); i++ {
		s := open(b, images.Config{Dir: filepath.Join(b.TempDir(), fmt.Sprint(i))})
		mustPull(b, s, ref)
		s.Close()
	}
	report(b, before, len(plain))
}

func BenchmarkGet(b *testing.B) {
	r := image.NewRegistry(b)
	ref := r.Push(b, "shop/web:1", webImage(b))
	s := open(b, images.Config{})
	mustPull(b, s, ref)
	for b.Loop() {
		if _, err := s.Get(ref); err != nil {
			b.Fatal(err)
		}
	}
}
