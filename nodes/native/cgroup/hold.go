package cgroup

import (
	"os"
	"strings"
	"time"
)

// holdWithin is how long the processes of a group may take to stand still: one in
// the middle of a system call does when that is over, and is not waited for.
const holdWithin = 20 * time.Millisecond

// hold makes the group of v1 stand still, so that nothing is born while its
// processes are ended one by one; v2 ends all at once. They end when the group is
// let go: by this process or, if it dies before, by the next that ends the group.
func (h Hierarchies) hold(path string) (letGo func()) {
	if h.Controllers["freezer"] == "" {
		return func() {}
	}
	state := h.in("freezer", path) + "/freezer.state"
	if os.WriteFile(state, []byte("FROZEN"), 0) != nil {
		return func() {} // there is none
	}
	for end := time.Now().Add(holdWithin); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if b, err := os.ReadFile(state); err != nil || strings.TrimSpace(string(b)) == "FROZEN" {
			break
		}
	}
	return func() { _ = os.WriteFile(state, []byte("THAWED"), 0) }
}
