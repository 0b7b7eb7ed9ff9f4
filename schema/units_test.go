package schema

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What a unit writes it reads back, as text and as JSON, to the last digit.
func TestUnits_RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roundTrip(t, CPU(rapid.Int64Range(0, 1e12).Draw(t, "cpu")))
		roundTrip(t, Bytes(rapid.Int64Range(0, math.MaxInt64/2).Draw(t, "bytes")))
		roundTrip(t, Bytes(rapid.Int64Range(0, 1<<20).Draw(t, "n")<<rapid.SampledFrom([]int{0, 10, 20, 30, 40}).Draw(t, "unit")))
		roundTrip(t, Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "duration")))
		roundTrip(t, Duration(time.Duration(rapid.Int64Range(0, 1e6).Draw(t, "seconds"))*time.Second))
		roundTrip(t, Amount{Count: rapid.IntRange(0, 1e6).Draw(t, "count")})
		roundTrip(t, Amount{Percent: rapid.IntRange(0, 100).Draw(t, "percent"), IsPercent: true})
		roundTrip(t, Slot{Workload: rapid.StringMatching(`[a-z]{1,5}/[a-z]{1,5}`).Draw(t, "w"), Index: rapid.IntRange(0, 1e4).Draw(t, "i")})
	})
}

func roundTrip[T comparable](t *rapid.T, v T) {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(b, &back); err != nil || back != v {
		t.Fatalf("%v wrote %s, which reads as %v, %v", v, b, back, err)
	}
}

func TestParseCPU(t *testing.T) {
	for text, want := range map[string]CPU{"500m": 500, "2": 2000, "1.5": 1500, "0": 0, "0.001": 1} {
		if got, err := ParseCPU(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "m", "-1", "-5m", "1.5m", "5 cores", "NaN", "inf", "1e99"} {
		if got, err := ParseCPU(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"256Mi": 256 << 20, "1.5Gi": 3 << 29, "512M": 512e6, "1048576": 1 << 20, "4k": 4000,
		"9007199254740993": 9007199254740993} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Mi", "256MB", "256mb", "-1Mi", "NaN", "9999999Ti", "9223372036854775807"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestBytes_Human(t *testing.T) {
	for n, want := range map[Bytes]string{0: "0", 1023: "1023", 1536: "1.5Ki", 256 << 20: "256Mi", 3 << 29: "1.5Gi"} {
		if got := n.Human(); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

// Numbers are cores and bytes; a null leaves what stands there.
func TestResources_FromNumbers(t *testing.T) {
	got := Resources{Limit: Limits{CPU: 7}}
	err := json.Unmarshal([]byte(`{"cpu": 1.5, "memory": 1048576, "limit": {"cpu": null}}`), &got)
	if diff := cmp.Diff(Resources{CPU: 1500, Memory: 1 << 20, Limit: Limits{CPU: 7}}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, bad := range []string{`{"cpu": true}`, `{"cpu": {}}`, `{"memory": "1"`, `{"memory": [1]}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s: want an error", bad)
		}
	}
}

func TestDuration_String(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", time.Second: "1s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h",
		time.Hour + time.Second: "1h0m1s", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 1500 * time.Millisecond: "1.5s"} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

// I1 leans on this: a share never rounds to less than it says, nor above all.
func TestAmount_Of(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, total := rapid.IntRange(0, 100).Draw(t, "percent"), rapid.IntRange(0, 10_000).Draw(t, "total")
		n := Amount{Percent: p, IsPercent: true}.Of(total)
		if n*100 < p*total || (n-1)*100 >= p*total && n > 0 || n > total {
			t.Fatalf("%d%% of %d is %d", p, total, n)
		}
	})
}

func TestAmount_Bad(t *testing.T) {
	for _, text := range []string{`-1`, `"-1%"`, `"101%"`, `"5"`, `1.5`, `true`, `"%"`} {
		var a Amount
		if err := json.Unmarshal([]byte(text), &a); err == nil {
			t.Errorf("%s: got %v, want an error", text, a)
		}
	}
}
