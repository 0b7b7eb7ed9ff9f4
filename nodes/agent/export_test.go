package agent

import "time"

// SetWall puts another clock in place of the machine's.
func (a *Agent) SetWall(wall func() time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clock.wall = wall
}
