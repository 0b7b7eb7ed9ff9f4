//go:build linux && cgo && (amd64 || arm64)

package monitor_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// BenchmarkStart starts containers, eight at a time, and says what each costs in
// CPU time of the monitors and all that they start. Their ends are apart.
func BenchmarkStart(b *testing.B) {
	rigs := crowd(b, b.N)
	before, begun := childrenCPU(b), time.Now()
	b.ResetTimer()
	eight(rigs, func(r *rig) { r.start() })
	b.StopTimer()
	taken := time.Since(begun)
	b.ReportMetric(float64(b.N)/taken.Seconds(), "starts/s")
	var memory int64
	for _, r := range rigs {
		memory += pss(r)
	}
	b.ReportMetric(float64(memory)/float64(b.N), "PSS-kB")
	begun = time.Now()
	eight(rigs, func(r *rig) {
		r.exit(r.ask(bundle.Request{Op: bundle.OpStop, Signal: "SIGKILL", Grace: patience}))
		r.wait()
	})
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "stops/s")
	b.ReportMetric(float64(childrenCPU(b)-before)/float64(time.Millisecond)/float64(b.N), "CPU-ms/life")
}

func crowd(b *testing.B, n int) []*rig {
	rigs := make([]*rig, n)
	for i := range rigs {
		rigs[i] = newRig(b, "sleep")
		rigs[i].cfg.Resources = bundle.Resources{CPUShares: 512, CPUQuota: 50_000, CPUPeriod: 100_000, Memory: 64 << 20, Pids: 64}
	}
	return rigs
}

func eight(rigs []*rig, do func(*rig)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(rigs)); i = next.Add(1) - 1 {
				do(rigs[i])
			}
		})
	}
	all.Wait()
}

// childrenCPU is of those that were waited for: monitors with their containers.
func childrenCPU(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func pss(r *rig) int64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.process.Pid), "smaps_rollup"))
	r.must(err)
	_, after, _ := strings.Cut(string(text), "\nPss:")
	kb, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	r.must(err)
	return kb
}
