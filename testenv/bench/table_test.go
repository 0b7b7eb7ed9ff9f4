package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// row is one promise and what was found.
type row struct {
	// rank is its line in the table.
	rank                  int
	what, limit, measured string
	within                bool
	// load is the machine's when the measurement ended: runnable processes,
	// averaged over a minute.
	load string
}

// table collects rows in the order in which they were measured.
type table struct {
	mu   sync.Mutex
	rows []row
}

var results table

func (t *table) add(r row) {
	r.load = load()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
}

func (t *table) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.SortFunc(t.rows, func(x, y row) int { return x.rank - y.rank })
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "WHAT\tLIMIT\tMEASURED\tVERDICT\tLOAD")
	for _, r := range t.rows {
		verdict := "over"
		if r.within {
			verdict = "within"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", r.what, r.limit, r.measured, verdict, r.load)
	}
	tw.Flush()
	fmt.Fprintf(w, "\nload: processes that want to run, averaged over the minute before; this machine has %d processors\n\n", runtime.NumCPU())
}

// load is the average number of runnable processes over the last minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "-"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

// series is one figure taken several times.
type series []time.Duration

func (s series) median() time.Duration { return middle(s) }

// inMS is the series in whole milliseconds, as it was taken.
func (s series) inMS() (all []int64) {
	for _, d := range s {
		all = append(all, d.Milliseconds())
	}
	return all
}

func (s series) String() string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf("%s (%s to %s, %d times)", ms(s.median()), ms(slices.Min(s)), ms(slices.Max(s)), len(s))
}

// middle is the median; of an even number the mean of the two in the middle.
func middle[T time.Duration | float64](s []T) T {
	if len(s) == 0 {
		return 0
	}
	s = slices.Sorted(slices.Values(s))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// ms has the digits that a time of this size deserves.
func ms(d time.Duration) string {
	if d.Abs() >= 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// report gives a figure to the benchmark's own line, in place of the time that
// it took as a whole.
func report(b *testing.B, d time.Duration, unit string) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(d.Microseconds())/1000, "ms-"+unit)
}

func TestTable_TellsWhatIsOver(t *testing.T) {
	var x table
	x.add(row{rank: 2, what: "slow", limit: "<= 1ms", measured: series{time.Second, 3 * time.Second}.String()})
	x.add(row{rank: 1, what: "fast", limit: "<= 1s", measured: "1ms", within: true})
	var out strings.Builder
	x.print(&out)
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"", "WHAT", "fast within", "slow 2s (1s to 3s, 2 times) over"} {
		got := strings.Join(strings.Fields(lines[i]), " ")
		for _, word := range strings.Fields(want) {
			if !strings.Contains(got, word) {
				t.Errorf("line %d has no %q: %s", i, word, got)
			}
		}
	}
}
