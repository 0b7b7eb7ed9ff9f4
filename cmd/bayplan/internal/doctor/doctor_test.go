package doctor

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestKernelFinding_Versions(t *testing.T) {
	for release, want := range map[string]State{
		"6.1.0-18-amd64": OK, "5.4.0": OK, "5.10-rc1": OK, "5.3.18": Warn, "4.19.0": Warn, "odd": Warn, "5.x": Warn, "5.15+": OK,
	} {
		if got := kernelFinding(release); got.State != want {
			t.Errorf("%s: %+v, want %s", release, got, want)
		}
	}
}

func TestClocks_Skew(t *testing.T) {
	server := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := http.Header{"Date": {server.Format(http.TimeFormat)}}
	for skew, want := range map[time.Duration]State{0: OK, 5900 * time.Millisecond: OK, -4 * time.Second: OK, 7 * time.Second: Warn, -time.Hour: Warn} {
		if got := clocks(server.Add(skew), h); got.State != want {
			t.Errorf("%v: %+v, want %s", skew, got, want)
		}
	}
	if got := clocks(server, http.Header{}); got.State != Warn {
		t.Errorf("no date: %+v", got)
	}
}

func TestVersions_DifferIsAWarning(t *testing.T) {
	if got := versions("v1", "v1"); got.State != OK {
		t.Error(got)
	}
	if got := versions("v1", "v2"); got.State != Warn || !strings.Contains(got.Text, "server v2") || got.Next == "" {
		t.Error(got)
	}
}

func TestExamine_MachineLinesAreAllThere(t *testing.T) {
	for _, check := range []func() Finding{
		func() Finding { return disk(t.Context()) }, func() Finding { return kernel(t.Context()) }, func() Finding { return cgroups(t.Context()) },
	} {
		if f := check(); f.Check == "" || f.State == "" || f.Text == "" {
			t.Errorf("incomplete: %+v", f)
		}
	}
}
