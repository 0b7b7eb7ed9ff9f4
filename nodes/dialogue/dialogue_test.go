package dialogue

import "testing"

func TestPatience_SpacesOutACureThatDoesNotHelp(t *testing.T) {
	var p patience
	var at []int
	for k := range 40 {
		if p.due() {
			at = append(at, k)
		}
	}
	want := []int{0, 1, 3, 6, 11, 20, 37}
	if len(at) != len(want) {
		t.Fatalf("due at %v, want %v", at, want)
	}
	for k := range want {
		if at[k] != want[k] {
			t.Fatalf("due at %v, want %v", at, want)
		}
	}
	p.reset()
	if !p.due() {
		t.Error("not due at once after it helped")
	}
}
