package nodes

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/schema"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)

func anyInstance(t *rapid.T, id string) Instance {
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return start.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds")) * time.Second)
	})
	i := Instance{
		ID: id, Slot: schema.Slot{Workload: "shop/web", Index: rapid.IntRange(0, 2).Draw(t, "index")},
		Phase:    rapid.SampledFrom([]Phase{Assigned, Running, Stopped}).Draw(t, "phase"),
		Health:   rapid.SampledFrom([]Health{HealthUnknown, Healthy}).Draw(t, "health"),
		Since:    moment.Draw(t, "since"),
		Restarts: rapid.IntRange(0, 1).Draw(t, "restarts"),
	}
	if rapid.Bool().Draw(t, "ports") {
		i.Ports = map[string]int{"http": rapid.IntRange(1, 2).Draw(t, "port")}
	}
	if rapid.Bool().Draw(t, "failed") {
		i.Failure = &Failure{Code: Exited, Text: rapid.SampledFrom([]string{"a", "b\xff", "\ufffd"}).Draw(t, "text"), At: moment.Draw(t, "at")}
	}
	return i
}

func anyReport(t *rapid.T) Report {
	ids := rapid.SliceOfDistinct(rapid.IntRange(0, 8), rapid.ID[int]).Draw(t, "ids")
	slices.Sort(ids)
	r := Report{
		Node:      Node{Name: "n1", Trouble: rapid.SampledFrom([]string{"", "disk full"}).Draw(t, "trouble")},
		Seen:      Version{Epoch: 1, Serial: rapid.Int64Range(0, 2).Draw(t, "serial")},
		Now:       start.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "now")) * time.Second),
		Inventory: rapid.Bool().Draw(t, "inventory"),
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "endings") {
		r.Endings = append(r.Endings, Ending{ID: fmt.Sprint("e", i), Slot: schema.Slot{Workload: "shop/web", Index: i}, Failure: Failure{Text: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "text")}})
	}
	for _, id := range ids {
		r.Instances = append(r.Instances, anyInstance(t, fmt.Sprint("i", id)))
	}
	return r
}

func TestApply_MakesOfTheOldReportTheNew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, new := anyReport(t), anyReport(t)
		before := old.Sum()
		c := Diff(old, new)
		got := old.Apply(c)
		if d := cmp.Diff(new, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
		if old.Sum() != before {
			t.Fatal("Apply changed the report that it was called on")
		}
		if got, want := c.Alters(&old), new.Sum() != old.Sum(); got != want && got {
			t.Fatalf("Alters is %v, sums differ: %v", got, want)
		}
	})
}

func TestSum_SurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyReport(t)
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Report
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		back.Now = back.Now.Add(time.Hour)
		if r.Sum() != back.Sum() {
			t.Fatalf("sums differ for %s", b)
		}
	})
}

func TestSum_EmptyIsNil(t *testing.T) {
	a, b := Assignment{Node: "n"}, Assignment{Node: "n", Orders: []Order{}}
	if a.Sum() != b.Sum() {
		t.Error("no orders has two sums")
	}
	r, s := Report{}, Report{Instances: []Instance{}}
	if r.Sum() != s.Sum() {
		t.Error("no instances has two sums")
	}
}

// Every field that a report has must be noticed when it changes: whoever adds
// one has to add it to the comparison too.
func TestDiff_NoticesEveryField(t *testing.T) {
	full := func() Report {
		return Report{Node: Node{Name: "n"}, Endings: []Ending{{ID: "e"}}, Instances: []Instance{{ID: "i", Failure: &Failure{}, Fetched: &Fetched{}}}}
	}
	pick := map[string]func(*Report) any{
		"Node":     func(r *Report) any { return &r.Node },
		"Instance": func(r *Report) any { return &r.Instances[0] },
		"Failure":  func(r *Report) any { return r.Instances[0].Failure },
		"Ending":   func(r *Report) any { return &r.Endings[0] },
		"Fetched":  func(r *Report) any { return r.Instances[0].Fetched },
	}
	for name, of := range pick {
		typ := reflect.TypeOf(of(new(full()))).Elem()
		for k := range typ.NumField() {
			old, new := full(), full()
			alter(t, reflect.ValueOf(of(&new)).Elem().Field(k))
			c := Diff(old, new)
			if !c.Alters(&old) {
				t.Errorf("Diff does not see %s.%s", name, typ.Field(k).Name)
			}
		}
	}
}

// alter sets v to something that is not its zero.
func alter(t *testing.T, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = start
		return
	case *map[string]string:
		*x = map[string]string{"a": "b"}
		return
	case *map[string]int:
		*x = map[string]int{"a": 1}
		return
	case *[]int:
		*x = []int{1}
		return
	case **Failure:
		*x = nil
		return
	case **Outcome:
		*x = &Outcome{Passed: true}
		return
	case **Fetched:
		*x = nil
		return
	case *Failure:
		x.Text = "x"
		return
	case *Capacity:
		x.CPU = 1
		return
	case *schema.Slot:
		x.Index = 1
		return
	}
	switch {
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.String:
		v.SetString("x")
	default:
		t.Fatalf("a field of type %s: teach alter about it", v.Type())
	}
}
