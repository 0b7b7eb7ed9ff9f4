package schema

import "testing"

func TestHolds_Each(t *testing.T) {
	node := map[string]string{"zone": "a", "cores": "16", "ratio": "2.45", "kernel": "6.1.0-rc.2", "engine": "v20.10.24+dfsg1", "odd": "x"}
	for _, c := range []struct {
		attribute, op, value string
		values               []string
		want                 bool
	}{
		{"zone", "=", "a", nil, true}, {"zone", "=", "b", nil, false}, {"none", "=", "", nil, false},
		{"zone", "!=", "a", nil, false}, {"none", "!=", "a", nil, true},
		{"zone", "in", "", []string{"b", "a"}, true}, {"zone", "in", "", nil, false},
		{"zone", "exists", "", nil, true}, {"none", "exists", "", nil, false},
		{"zone", "matches", "^[ab]$", nil, true}, {"zone", "matches", "b", nil, false}, {"zone", "matches", "(", nil, false}, {"none", "matches", "", nil, false},
		{"cores", ">", "9", nil, true}, {"cores", "<", "9", nil, false}, {"cores", ">=", "16.0", nil, true}, {"cores", "<=", "-1", nil, false},
		{"ratio", "<", "2.5", nil, true}, {"odd", "<", "2", nil, false}, {"cores", "<", "x", nil, false}, {"none", "<", "1", nil, false},
		{"engine", "version", ">= 20.10, < 21", nil, true}, {"engine", "version", "20.10.24", nil, true}, {"engine", "version", "> 20.9.100", nil, true},
		{"kernel", "version", "< 6.1", nil, true}, {"kernel", "version", "> 6.1.0-rc.1", nil, true}, {"kernel", "version", "> 6.1.0-rc.10", nil, false},
		{"kernel", "version", ">= 6.1.0-beta", nil, true}, {"kernel", "version", "!= 6.1", nil, true}, {"odd", "version", "1", nil, false}, {"engine", "version", ">", nil, false},
	} {
		k := Constraint{c.attribute, c.op, c.value, c.values}
		for _, known := range []Patterns{nil, {}} {
			if got := k.Holds(node, known); got != c.want {
				t.Errorf("%s %s %q %q: %v", c.attribute, c.op, c.value, c.values, got)
			}
		}
	}
}

// FuzzHolds: whatever a constraint says, it is either refused when it is
// checked or orders versions and numbers in one way.
func FuzzHolds(f *testing.F) {
	f.Add("version", ">= 1.10, < 2", "1.9")
	f.Add("<", "2.50", "-0.0")
	f.Add("matches", "^(a|b", "a")
	f.Add("version", "=1.0.0-rc.1,!=2", "v1+x")
	f.Fuzz(func(t *testing.T, op, value, have string) {
		k := Constraint{Attribute: "x", Op: op, Value: value}
		w := Workload{Constraints: []Constraint{k}}
		c := checker{w: &w}
		c.placing()
		refused := len(c.found) > 0
		holds := k.Holds(map[string]string{"x": have}, nil)
		if refused && holds && op != "in" && op != "exists" {
			t.Fatalf("%q %q is refused and holds for %q", op, value, have)
		}
		a, isNumber := parseNumber(have)
		b, ok := parseNumber(value)
		if isNumber && ok && compareDecimal(a, b) != -compareDecimal(b, a) {
			t.Fatalf("%q and %q compare otherwise when turned round", have, value)
		}
		v, isVersion := parseVersion(have)
		u, ok := parseVersion(value)
		if isVersion && ok && (compareVersions(v, u) > 0) != (compareVersions(u, v) < 0) {
			t.Fatalf("%q and %q compare otherwise when turned round", have, value)
		}
		if isVersion {
			same := Constraint{Attribute: "x", Op: "version", Value: have}
			if !same.Holds(map[string]string{"x": have}, nil) {
				t.Fatalf("%q is not itself", have)
			}
		}
	})
}
