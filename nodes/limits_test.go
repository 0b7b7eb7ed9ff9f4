package nodes

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bayplan/bayplan/schema"
)

func TestBound_RefusesWhatNoNodeIs(t *testing.T) {
	many := map[string]int{}
	for k := range MaxPorts + 1 {
		many[fmt.Sprint("p", k)] = k
	}
	attributes := map[string]string{}
	for k := range MaxAttributes + 1 {
		attributes[fmt.Sprint("a", k)] = ""
	}
	long := strings.Repeat("x", MaxIdentifier+1)
	for want, r := range map[string]Report{
		"4097 instances, over the limit of 4096": {Instances: make([]Instance, MaxInstances+1)},
		"ID has 513 bytes":                       {Instances: []Instance{{ID: long}}},
		"slot has 513 bytes":                     {Instances: []Instance{{Slot: schema.Slot{Workload: long}}}},
		"digest has 513 bytes":                   {Instances: []Instance{{Digest: schema.Digest(long)}}},
		"container has 513 bytes":                {Instances: []Instance{{Container: long}}},
		"failure has 513 bytes":                  {Instances: []Instance{{Failure: &Failure{Code: FailureCode(long)}}}},
		"65 ports":                               {Instances: []Instance{{Ports: many}}},
		"name of a port has 513 bytes":           {Instances: []Instance{{Ports: map[string]int{long: 1}}}},
		"port http is 65536":                     {Instances: []Instance{{Ports: map[string]int{"http": 65536}}}},
		"65 attributes":                          {Node: Node{Attributes: attributes}},
		"attributes of 16385 bytes":              {Node: Node{Attributes: map[string]string{"a": strings.Repeat("x", MaxAttributeBytes)}}},
		"1001 busy ports":                        {Node: Node{BusyPorts: make([]int, MaxBusyPorts+1)}},
		"no range":                               {Node: Node{PortMin: 1, PortMax: 1 << 40}},
		"no machine's":                           {Node: Node{Allocatable: Capacity{Memory: -1}}},
		"address has 513 bytes":                  {Node: Node{Address: long}},
	} {
		if err := r.Bound(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		c := Change{Node: &r.Node, Instances: r.Instances}
		if err := c.Bound(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("change: want %q, got %v", want, err)
		}
	}
	for want, c := range map[string]Change{
		"4097 instances are gone":           {Gone: make([]string, MaxInstances+1)},
		"ID of what is gone has 513 bytes,": {Gone: []string{long}},
	} {
		if err := c.Bound(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestBound_CutsTexts(t *testing.T) {
	long := strings.Repeat("ö", MaxText)
	r := Report{Node: Node{Trouble: long, Runtime: "docker"}, Instances: []Instance{{ID: "a", Failure: &Failure{Text: "x" + long}}}}
	if err := r.Bound(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{r.Node.Trouble, r.Instances[0].Failure.Text} {
		if len(s) > MaxText || len(s) < MaxText-4 || !utf8.ValidString(s) || !strings.HasSuffix(s, "ö…") {
			t.Errorf("%d bytes: …%q", len(s), s[len(s)-8:])
		}
		if CutText(s) != s {
			t.Error("cut twice it is another")
		}
	}
	if r.Node.Runtime != "docker" {
		t.Errorf("a short one became %q", r.Node.Runtime)
	}
}
