package view

import (
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// TestPools draws a pool above its parts, and top by use.
func TestPools(t *testing.T) {
	whole := schema.Quantity{CPU: 8000, Memory: 16 << 30}
	all := []status.Pool{
		{Name: "batch", Parent: "default", Weight: 1, Slots: 4, Whole: whole, Use: schema.Quantity{CPU: 4000, Memory: 1 << 30}, Share: 500,
			Limit: &schema.Quantity{CPU: 6000}, Largest: []schema.Quantity{{CPU: 2000, Memory: 1 << 30}, {CPU: 1000, Memory: 4 << 30}}},
		{Name: "default", Nodes: 2, Weight: 1, Slots: 5, Whole: whole, Use: schema.Quantity{CPU: 4500, Memory: 3 << 30}, Share: 562,
			Largest: []schema.Quantity{{CPU: 3000, Memory: 1 << 30}, {CPU: 2000, Memory: 2 << 30}, {Memory: 8 << 30}}},
		{Name: "prod", Parent: "default", Weight: 3, Slots: 1, Whole: whole, Use: schema.Quantity{CPU: 500, Memory: 2 << 30}, Share: 125,
			Guarantee: &schema.Quantity{CPU: 2000, Memory: 4 << 30}, Lent: schema.Quantity{CPU: 500}},
	}
	var b strings.Builder
	Pools(&b, all, Look{})
	PoolTop(&b, all, Look{})
	Pools(&b, nil, Look{})
	want := `POOL       NODES  WEIGHT  GUARANTEE   LIMIT  SHARE  CPU     MEMORY    LENT      LARGEST SLOT
default    2      1       -           -      56.2%  4500m/8 3Gi/16Gi  -         3 cpu, 1Gi … 8Gi
  batch    0      1       -           6 cpu  50.0%  4/8     1Gi/16Gi  -         2 cpu, 1Gi or 1 cpu, 4Gi
  prod     0      3       2 cpu, 4Gi  -      12.5%  500m/8  2Gi/16Gi  500m cpu  -
POOL     SHARE  SLOTS  GUARANTEE   CPU    MEMORY  LENT      LARGEST SLOT
default  56.2%  5      -           4500m  3Gi     -         3 cpu, 1Gi … 8Gi
batch    50.0%  4      -           4      1Gi     -         2 cpu, 1Gi or 1 cpu, 4Gi
prod     12.5%  1      2 cpu, 4Gi  500m   2Gi     500m cpu  -
no pools: the repository's root may name some, ` + "`cluster: pools: ...`\n"
	if squeeze(b.String()) != squeeze(want) {
		t.Errorf("got\n%s", b.String())
	}
}

// squeeze leaves one space between words: how wide columns are is tested
// elsewhere.
func squeeze(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}
