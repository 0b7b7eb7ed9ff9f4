package schema

import "reflect"

// SameText is whether two texts of a workload say the same. What is empty and
// what is absent are one: a text read from the ledger has none of the empty
// lists and maps that the repository's may have.
func SameText(a, b *Workload) bool {
	return a == b || a != nil && b != nil && sameValue(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
}

func sameValue(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Pointer:
		if a.UnsafePointer() == b.UnsafePointer() { // texts of one commit and the next share most of their memory
			return true
		}
		if a.IsNil() || b.IsNil() {
			return a.IsNil() && b.IsNil()
		}
		return sameValue(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !sameValue(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		return sameList(a, b)
	case reflect.Map:
		return sameMap(a, b)
	}
	return a.Equal(b)
}

func sameList(a, b reflect.Value) bool {
	if a.UnsafePointer() == b.UnsafePointer() && a.Len() == b.Len() {
		return true
	}
	for i := range min(a.Len(), b.Len()) {
		if !sameValue(a.Index(i), b.Index(i)) {
			return false
		}
	}
	return a.Len() == b.Len()
}

func sameMap(a, b reflect.Value) bool {
	if a.UnsafePointer() == b.UnsafePointer() {
		return true
	}
	for _, key := range a.MapKeys() {
		other := b.MapIndex(key)
		if !other.IsValid() || !sameValue(a.MapIndex(key), other) {
			return false
		}
	}
	return a.Len() == b.Len()
}
