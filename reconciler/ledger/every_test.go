package ledger

import (
	"fmt"
	"reflect"
	"slices"
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

// What differs in any field is not the same.
func TestSame_SeesEveryField(t *testing.T) {
	seesEveryField(t, func(a, b *nodes.Order) bool { return sameOrder(*a, *b) })
	seesEveryField(t, sameAssignment)
	seesEveryField(t, sameNode, "Assignment")
	seesEveryField(t, func(a, b *nodes.Node) bool {
		return sameNode(&reconciler.NodeFact{Node: *a}, &reconciler.NodeFact{Node: *b})
	})
}

func seesEveryField[T any](t *testing.T, same func(a, b *T) bool, but ...string) {
	t.Helper()
	var full T
	f := new(filler)
	f.fill(reflect.ValueOf(&full).Elem())
	if copied := full; !same(&full, &copied) {
		t.Errorf("%T: not the same as itself", full)
	}
	for i := range reflect.TypeFor[T]().NumField() {
		other := full
		reflect.ValueOf(&other).Elem().Field(i).SetZero()
		if name := reflect.TypeFor[T]().Field(i).Name; same(&full, &other) != slices.Contains(but, name) {
			t.Errorf("%T: %s is compared: %v", full, name, !same(&full, &other))
		}
	}
}
