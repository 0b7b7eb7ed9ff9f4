package schema

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// placing checks what says where slots may be.
func (c *checker) placing() {
	c.constraints([]string{"constraints"}, c.w.Constraints)
	for i := range c.w.Affinity {
		c.constraint([]string{"affinity", strconv.Itoa(i)}, &c.w.Affinity[i].Constraint)
	}
	for _, name := range slices.Sorted(maps.Keys(c.w.Resources.Devices)) {
		c.constraints([]string{"resources", "devices", name, "constraints"}, c.w.Resources.Devices[name].Constraints)
		if !ValidName(name) {
			c.add([]string{"resources", "devices", name}, "%s", NameRule)
		}
	}
	c.near()
	if c.w.EvictWithVolumes && !c.w.OwnsVolumes() {
		c.add([]string{"evictWithVolumes"}, "there is no volume of its own: without one a slot may be evicted as it is")
	}
	for i, name := range c.w.Tolerates {
		if !ValidName(name) {
			c.add([]string{"tolerates", strconv.Itoa(i)}, "%s", NameRule)
		}
	}
}

func (c *checker) constraints(path []string, all []Constraint) {
	for i := range all {
		c.constraint(append(slices.Clone(path), strconv.Itoa(i)), &all[i])
	}
}

func (c *checker) constraint(path []string, k *Constraint) {
	switch {
	case k.Op == "in" && len(k.Values) == 0:
		c.add(path, "op \"in\" wants values")
	case k.Op == "in" && k.Value != "":
		c.add(append(path, "value"), "op \"in\" wants values, not value")
	case k.Op != "in" && len(k.Values) > 0:
		c.add(append(path, "values"), "values go with op \"in\" only, got op %q", k.Op)
	case k.Op == "exists" && k.Value != "":
		c.add(append(path, "value"), "op \"exists\" wants no value")
	default:
		c.operand(append(path, "value"), k)
	}
}

// operand is what "matches", "version" and the comparisons of numbers read.
func (c *checker) operand(path []string, k *Constraint) {
	switch k.Op {
	case "matches":
		if _, err := regexp.Compile(k.Value); err != nil {
			c.add(path, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	case "version":
		if _, err := ParseVersions(k.Value); err != nil {
			c.add(path, "%s", err)
		}
	case "<", "<=", ">", ">=":
		if _, ok := parseNumber(k.Value); !ok {
			c.add(path, "op %q wants a number such as \"8\" or \"2.5\", got %q", k.Op, k.Value)
		}
	}
}

func (c *checker) near() {
	for i, n := range c.w.Near {
		path := []string{"near", strconv.Itoa(i), "workload"}
		switch {
		case n.Workload == c.w.Name && n.Apart:
			c.add(path, "a workload keeps its own slots apart by maxPer: {%s: 1}", n.Over)
		case n.Workload == c.w.Name:
			c.add(path, "a workload cannot ask to be near itself")
		}
	}
}
