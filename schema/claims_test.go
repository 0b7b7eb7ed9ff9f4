package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// rule reads "zone = a", "zone in a b", "disk exists".
func rule(text string) Constraint {
	parts := strings.SplitN(text+" ", " ", 3)
	k := Constraint{Attribute: parts[0], Op: parts[1], Value: strings.TrimSpace(parts[2])}
	if k.Op == "in" {
		k.Values, k.Value = strings.Fields(k.Value), ""
	}
	return k
}

func rulesOf(text string) (all []Constraint) {
	for part := range strings.SplitSeq(text, " & ") {
		all = append(all, rule(part))
	}
	return all
}

// TestContended_Each: two selectors are contended if values satisfy both and one of
// them is on no attribute of its own.
func TestContended_Each(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"zone = a", "zone = a", `zone = "a"`},
		{"zone = a", "zone = b", ""},
		{"zone = a & disk = ssd", "disk = ssd & zone = a", `disk = "ssd", zone = "a"`},
		{"zone in a b", "zone in b c", `zone = "b"`},
		{"zone in a b", "zone in c d", ""},
		{"zone in a b", "zone != a", `zone = "b"`},
		{"zone = a", "zone != a", ""},
		{"zone != a", "zone != b", `zone = "1"`},
		{"zone != 0", "zone exists", `zone = "1"`},
		{"zone = a", "zone exists", `zone = "a"`},
		{"zone = a", "zone = a & disk exists", `disk = "1", zone = "a"`},
		{"zone = b", "zone = a & disk exists", ""},
		{"zone = a", "disk = ssd", ""},
		{"zone = a & rack = 1", "zone = a & disk = ssd", ""},
		{"cores > 4", "cores > 8", `cores = "9"`},
		{"cores > 4", "cores <= 4", ""},
		{"cores >= 4", "cores <= 4", `cores = "4"`},
		{"cores > 4", "cores < 5", `cores = "4.0`},
		{"cores > 2.4", "cores < 2.45", `cores = "2.40`},
		{"t > -5", "t < -4", `t = "-4.0`},
		{"t > -1", "t < 0", `t = "-0.0`},
		{"t > 0", "t < 0.5", `t = "0.0`},
		{"t < 0", "t < -5", `t = "-6"`},
		{"t > -5", "t < 4", `t = `},
		{"t > 5", "t != 6", `t = "5.0`},
		{"t = x", "t > 5", ""},
		{"v version >= 1.10, < 2", "v version 1.9", ""},
		{"v version >= 1.10, < 2", "v version > 1.9", `v = "1.10"`},
		{"v version > 1.10", "v version < 1.10.1", `v = "1.10.`},
		{"v version > 1.0-rc.1", "v version < 1.0", `v = "1.0-rc.1.0.0.0.0`},
		{"v version < 1.0", "v version > 1.0-alpha, != 1.0-rc", `v = "1.0-alpha.0.0`},
		{"v version < 1.0", "v version >= 1.0", ""},
		{"name matches ^gpu-[0-9]+$", "name matches ^(cpu|gpu)-7", `name = "gpu-7"`},
		{"name matches ^gpu", "name matches ^cpu", ""},
		{"name matches ^gpu-[0-9]{2}$", "name = gpu-12", `name = "gpu-12"`},
		{"name matches ^a.b?c*(d)+$", "name exists", `name = "aad"`},
		{"name matches (", "name exists", ""},
	} {
		for _, turned := range []bool{false, true} {
			a, b := rulesOf(c.a), rulesOf(c.b)
			if turned {
				a, b = b, a
			}
			if got := contended(a, b); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("%s | %s: %q, want %q", c.a, c.b, got, c.want)
			}
		}
	}
}

// TestContended_Exact: over lists of values, comparisons and what may be missing a
// contended value is told exactly if there is one.
func TestContended_Exact(t *testing.T) {
	values := []string{"", "a", "b", "c", "-3", "-2.5", "-2", "-1.5", "-1", "-0.5", "0", "0.5", "1", "1.5", "2", "2.5", "3", "4"}
	some := rapid.Custom(func(t *rapid.T) Constraint {
		k := Constraint{Attribute: "x", Op: rapid.SampledFrom([]string{"=", "!=", "in", "exists", "<", "<=", ">", ">="}).Draw(t, "op")}
		switch k.Op {
		case "=", "!=":
			k.Value = rapid.SampledFrom([]string{"a", "b", "1", "2"}).Draw(t, "value")
		case "in":
			k.Values = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "1", "-1"}), 1, 3).Draw(t, "values")
		case "exists":
		default:
			k.Value = strconv.Itoa(rapid.IntRange(-2, 3).Draw(t, "number"))
		}
		return k
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOfN(some, 1, 3).Draw(t, "a"), rapid.SliceOfN(some, 1, 3).Draw(t, "b")
		meets := func(node map[string]string) bool {
			return !slices.ContainsFunc(slices.Concat(a, b), func(k Constraint) bool { return !k.Holds(node, nil) })
		}
		is := meets(nil) || slices.ContainsFunc(values, func(v string) bool { return meets(map[string]string{"x": v}) }) || meets(map[string]string{"x": "any other"})
		if got := contended(a, b); (got != "") != is {
			t.Fatalf("%v | %v: %q, want one: %v", a, b, got, is)
		}
	})
}

// TestCheckPools_Claims: pools of one branch of the tree may claim what the inner
// one is to have; others may not, a pool without a selector by its name neither.
func TestCheckPools_Claims(t *testing.T) {
	for _, c := range []struct {
		pools []Pool
		want  string
	}{
		{[]Pool{{Name: "a", Nodes: rulesOf("zone = a")}, {Name: "b", Nodes: rulesOf("zone in b a")}}, `b: pool "a" claims the same nodes, such as one with zone = "a"`},
		{[]Pool{{Name: "a", Nodes: rulesOf("zone = a")}, {Name: "b", Parent: "a", Nodes: rulesOf("zone in b a")}}, ""},
		{[]Pool{{Name: "a", Parent: "b", Nodes: rulesOf("zone = a")}, {Name: "b", Nodes: rulesOf("zone in b a")}}, ""},
		{[]Pool{{Name: "a", Parent: "m", Nodes: rulesOf("zone = a")}, {Name: "b", Nodes: rulesOf("zone in b a")}, {Name: "m", Parent: "b"}}, ""},
		{[]Pool{{Name: "a", Parent: "m", Nodes: rulesOf("zone = a")}, {Name: "b", Parent: "m", Nodes: rulesOf("zone = a")}, {Name: "m"}}, `b: pool "a" claims the same nodes, such as one with zone = "a"`},
		{[]Pool{{Name: "a"}, {Name: "b", Nodes: rulesOf("zone = a")}}, ""},
		{[]Pool{{Name: "a"}, {Name: "b"}}, ""},
		{[]Pool{{Name: "a"}, {Name: "b", Nodes: rulesOf("pool in a c")}}, `b: pool "a" claims the same nodes, such as one with pool = "a"`},
		{[]Pool{{Name: "b", Nodes: rulesOf("pool exists & zone = c")}, {Name: "c"}}, `b: pool "c" claims the same nodes, such as one with pool = "c", zone = "c"`},
		{[]Pool{{Name: "b", Nodes: rulesOf("pool != c")}, {Name: "c"}}, ""},
		{[]Pool{{Name: "b", Nodes: rulesOf("pool = x")}, {Name: "c", Nodes: rulesOf("zone = x")}}, ""},
	} {
		var got []string
		for name, problems := range CheckPools(c.pools) {
			for _, p := range problems {
				got = append(got, fmt.Sprintf("%s: %s", name, p.Message))
			}
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%+v: %q, want %q", c.pools, text, c.want)
		}
	}
}
