package schema

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// CPU is an amount of processor time in millicores: 1000 is one core.
// Its text is "500m" or "2" or "1.5".
type CPU int64

// ParseCPU reads "250m", "2" or "1.5".
func ParseCPU(s string) (CPU, error) {
	if m, ok := strings.CutSuffix(s, "m"); ok {
		n, err := strconv.ParseInt(m, 10, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("cpu %q: want millicores such as \"500m\" or cores such as \"2\"", s)
		}
		return CPU(n), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > 1e9 || f != f {
		return 0, fmt.Errorf("cpu %q: want millicores such as \"500m\" or cores such as \"2\"", s)
	}
	return CPU(math.Round(f * 1000)), nil
}

// String is the shortest text that ParseCPU reads back to the same value.
func (c CPU) String() string {
	if c%1000 == 0 {
		return strconv.FormatInt(int64(c/1000), 10)
	}
	return strconv.FormatInt(int64(c), 10) + "m"
}

// MarshalText writes String.
func (c CPU) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what ParseCPU reads.
func (c *CPU) UnmarshalText(b []byte) (err error) {
	*c, err = ParseCPU(string(b))
	return err
}

// UnmarshalJSON reads a text or a number of cores.
func (c *CPU) UnmarshalJSON(b []byte) error { return unmarshalAmount(b, c) }

// Bytes is an amount of memory or disk. Its text is "256Mi", "1Gi", "512M" or
// a plain number of bytes.
type Bytes int64

var byteUnits = []struct {
	suffix string
	size   int64
}{
	{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10},
	{"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"", 1},
}

// ParseBytes reads "256Mi", "1.5Gi", "512M" or "1048576".
func ParseBytes(s string) (Bytes, error) {
	for _, u := range byteUnits {
		num, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(num, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/2/u.size {
			return Bytes(n * u.size), nil
		}
		f, err := strconv.ParseFloat(num, 64)
		if err != nil || f < 0 || f*float64(u.size) > math.MaxInt64/2 || f != f {
			break
		}
		return Bytes(math.Round(f * float64(u.size))), nil
	}
	return 0, fmt.Errorf("size %q: want a number with a unit such as \"256Mi\" or \"1Gi\"", s)
}

// String is exact: the largest binary unit that divides the value.
func (b Bytes) String() string {
	for _, u := range byteUnits[:4] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Human rounds for people: "1.4Gi".
func (b Bytes) Human() string {
	for _, u := range byteUnits[:4] {
		if int64(b) >= u.size {
			return strings.TrimSuffix(strconv.FormatFloat(float64(b)/float64(u.size), 'f', 1, 64), ".0") + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText writes String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads what ParseBytes reads.
func (b *Bytes) UnmarshalText(t []byte) (err error) {
	*b, err = ParseBytes(string(t))
	return err
}

// UnmarshalJSON reads a text or a number of bytes.
func (b *Bytes) UnmarshalJSON(t []byte) error { return unmarshalAmount(t, b) }

// unmarshalAmount hands over a JSON text without its quotes, a number as it stands.
func unmarshalAmount(b []byte, into encoding.TextUnmarshaler) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) == 0 || b[0] != '"' {
		return into.UnmarshalText(b)
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	return into.UnmarshalText([]byte(s))
}

// Duration is a time.Duration whose text is Go's ("10s", "5m", "1h30m").
type Duration time.Duration

// D is the plain time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is "10s", "5m", "1h30m": Go's text without zero tails.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads Go's duration text; a negative one is refused.
func (d *Duration) UnmarshalText(t []byte) error {
	v, err := time.ParseDuration(string(t))
	if err == nil && v < 0 {
		err = errors.New("negative")
	}
	if err != nil {
		return fmt.Errorf("duration %q: want a number with a unit such as \"10s\" or \"5m\"", t)
	}
	*d = Duration(v)
	return nil
}

// Amount is a count of slots, or a share of them in percent.
// Its JSON is a number (2) or a text ("25%").
type Amount struct {
	Count   int
	Percent int
	// IsPercent tells which of the two holds.
	IsPercent bool
}

// Of is the amount out of total, rounded up.
func (a Amount) Of(total int) int {
	if !a.IsPercent {
		return a.Count
	}
	return (total*a.Percent + 99) / 100
}

// Floor is the amount out of total, rounded down.
func (a Amount) Floor(total int) int {
	if !a.IsPercent {
		return a.Count
	}
	return total * a.Percent / 100
}

// String is "2" or "25%".
func (a Amount) String() string {
	if a.IsPercent {
		return strconv.Itoa(a.Percent) + "%"
	}
	return strconv.Itoa(a.Count)
}

// MarshalJSON writes 2 or "25%".
func (a Amount) MarshalJSON() ([]byte, error) {
	if a.IsPercent {
		return json.Marshal(a.String())
	}
	return json.Marshal(a.Count)
}

// UnmarshalJSON reads 2 or "25%".
func (a *Amount) UnmarshalJSON(b []byte) error {
	var n int
	if json.Unmarshal(b, &n) == nil && n >= 0 {
		*a = Amount{Count: n}
		return nil
	}
	var s string
	if json.Unmarshal(b, &s) == nil {
		if p, ok := strings.CutSuffix(s, "%"); ok {
			if n, err := strconv.Atoi(p); err == nil && n >= 0 && n <= 100 {
				*a = Amount{Percent: n, IsPercent: true}
				return nil
			}
		}
	}
	return fmt.Errorf("amount %s: want a count such as 1 or a share such as \"25%%\"", b)
}
