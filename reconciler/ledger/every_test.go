package ledger

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// filler sets every field of a value, each to something of its own.
type filler struct{ n int }

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = epochStart.Add(time.Duration(f.n) * time.Second)
		return
	case *schema.Amount: // its JSON has one of its two forms
		*at = schema.Amount{Percent: f.n % 100, IsPercent: true}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key)
		f.fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(fmt.Sprint("text", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	default:
		panic("no way to fill a " + v.Type().String())
	}
}

// A field that the facts get later is either kept, or this fails.
func TestFacts_EveryFieldIsKept(t *testing.T) {
	var full reconciler.Facts
	new(filler).fill(reflect.ValueOf(&full).Elem())
	l := open(t, t.TempDir())
	if err := campaign(t, l).Record(t.Context(), reconciler.Facts{}, full, nil); err != nil {
		t.Fatal(err)
	}
	if d := differ(full, facts(t, l)); d != "" {
		t.Error(d)
	}
}

// An order that differs in any field is another order.
func TestSameOrder_SeesEveryField(t *testing.T) {
	var base nodes.Order
	f := new(filler)
	f.fill(reflect.ValueOf(&base).Elem())
	if !sameOrder(base, base) {
		t.Error("not the same as itself")
	}
	for i := range reflect.TypeFor[nodes.Order]().NumField() {
		other := base
		f.fill(reflect.ValueOf(&other).Elem().Field(i))
		if name := reflect.TypeFor[nodes.Order]().Field(i).Name; sameOrder(base, other) && name != "Stop" {
			t.Errorf("%s is not compared", name)
		}
	}
	stopped := base
	if stopped.Stop = false; sameOrder(base, stopped) {
		t.Error("Stop is not compared")
	}
}
