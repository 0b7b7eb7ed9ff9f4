package docker

import (
	"maps"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/bayplan/bayplan/nodes/agent"
)

// inventory remembers what containers were seen to be, so that a List after an
// event costs one look instead of one for each container. It is trusted only
// while events are followed: an event about a container, an action of our own,
// or a gap makes it forget.
type inventory struct {
	mu        sync.Mutex
	following bool
	marks     uint64
	seen      map[string]sighting          // by the Engine's identifier
	killed    map[string]bool              // those that Stop killed
	starts    map[string]bool              // instances that a Start is at work on, by ID
	checks    map[string]map[string]string // the last Single command of each series in each
}

type sighting struct {
	// mark changes with each change of the container: a look that began before
	// it is not learned.
	mark   uint64
	status *agent.Status
	state  container.ContainerState
	at     time.Time
}

// believed is how long a sighting is taken for true when no event says
// otherwise: a lost event must not last.
const believed = 30 * time.Second

func newInventory() *inventory {
	return &inventory{seen: map[string]sighting{}, killed: map[string]bool{}, starts: map[string]bool{}, checks: map[string]map[string]string{}}
}

// follow begins or ends the trust in events; what was seen before is forgotten.
func (v *inventory) follow(on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.following = on
	for id := range v.seen {
		v.forget(id)
	}
}

func (v *inventory) changed(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forget(id)
}

func (v *inventory) forget(id string) {
	v.marks++
	v.seen[id] = sighting{mark: v.marks}
}

// kills notes that a container's end is our doing, until it begins another life.
func (v *inventory) kills(id string, ours bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if ours {
		v.killed[id] = true
	} else {
		delete(v.killed, id)
	}
}

func (v *inventory) killedByUs(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.killed[id]
}

// leaves notes the Single command of a series that was begun last in a container.
func (v *inventory) leaves(id, series, exec string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.checks[id] == nil {
		v.checks[id] = map[string]string{}
	}
	v.checks[id][series] = exec
}

// left is that command; empty if there was none.
func (v *inventory) left(id, series string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.checks[id][series]
}

// begins notes that a Start is at work on an instance, until end is called.
func (v *inventory) begins(id string) (end func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.starts[id] = true
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.starts, id)
	}
}

func (v *inventory) starting(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.starts[id]
}

// mark is what learn wants to hear again.
func (v *inventory) mark(id string) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.seen[id]; !ok {
		v.forget(id)
	}
	return v.seen[id].mark
}

func (v *inventory) learn(id string, mark uint64, s agent.Status, state container.ContainerState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.following && v.seen[id].mark == mark {
		v.seen[id] = sighting{mark: mark, status: &s, state: state, at: time.Now()}
	}
}

// status is what is known of a listed container, if it still holds.
func (v *inventory) status(item *container.Summary) (*agent.Status, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.seen[item.ID]
	if !v.following || s.status == nil || s.state != item.State || time.Since(s.at) > believed {
		return nil, false
	}
	found := *s.status
	found.Ports = maps.Clone(found.Ports)
	return &found, true
}

// keep forgets all that is not listed any more.
func (v *inventory) keep(items []container.Summary) {
	there := make(map[string]bool, len(items))
	for _, item := range items {
		there[item.ID] = true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.seen, func(id string, _ sighting) bool { return !there[id] })
	maps.DeleteFunc(v.killed, func(id string, _ bool) bool { return !there[id] })
	maps.DeleteFunc(v.checks, func(id string, _ map[string]string) bool { return !there[id] })
}
