package scheduler_test

import (
	"testing"

	"github.com/bayplan/bayplan/scheduler"
)

// Who is told what to do is told of the volume where that is what is missing, and
// of no other where an attribute is.
func TestExplain_NamesTheHostVolume(t *testing.T) {
	for want, spoil := range map[string]func(*scheduler.Node, *scheduler.Request){
		"media": hostVolume(false, ""), "": constrain("zone", "=", "b"),
	} {
		n, r := node("n1"), request(work("a/web"), 0)
		spoil(&n, &r)
		why := scheduler.Open(scheduler.Pool{Nodes: []scheduler.Node{n}}).Explain(&r)
		if got := why.Refusals[len(why.Refusals)-1].Volume; got != want {
			t.Errorf("%s: the volume is %q, want %q", why.String(), got, want)
		}
	}
}
