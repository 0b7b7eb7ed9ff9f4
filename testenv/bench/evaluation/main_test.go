package evaluation

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"text/tabwriter"
)

// row is one promise and what was found.
type row struct {
	what, limit, measured string
	within                bool
	load                  string
}

var rows []row

func add(what, limit, measured string, within bool) {
	average, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(average), " ")
	rows = append(rows, row{what, limit, measured, within, load})
}

func TestMain(m *testing.M) {
	code := m.Run()
	if len(rows) > 0 {
		table(os.Stdout)
	}
	os.Exit(code)
}

func table(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nWHAT\tLIMIT\tMEASURED\tVERDICT\tLOAD")
	for _, r := range rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", r.what, r.limit, r.measured, map[bool]string{true: "within", false: "over"}[r.within], r.load)
	}
	tw.Flush()
	fmt.Fprintf(w, "\nload: processes that want to run, averaged over the minute before; this machine has %d processors\n", runtime.NumCPU())
}
