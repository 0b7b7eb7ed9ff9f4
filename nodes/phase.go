package nodes

import "fmt"

// Phase is how far an instance has come. Phases only go forward within one
// life of a container; a restart begins a new life at Starting.
type Phase uint8

// The phases in their order.
const (
	Assigned Phase = iota
	Pulling
	Starting
	Running
	Stopping
	Stopped
)

var phaseNames = [...]string{"assigned", "pulling", "starting", "running", "stopping", "stopped"}

// String is the lower-case word that people read.
func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// MarshalText writes String.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText refuses a word that is no phase.
func (p *Phase) UnmarshalText(b []byte) error {
	for i, n := range phaseNames {
		if n == string(b) {
			*p = Phase(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no phase", b)
}

// Health is what an instance's check last said.
type Health uint8

// NoCheck is an instance without a health check: running is all that is asked.
const (
	HealthUnknown Health = iota
	NoCheck
	Healthy
	Unhealthy
)

var healthNames = [...]string{"unknown", "none", "healthy", "unhealthy"}

// String is the lower-case word that people read.
func (h Health) String() string {
	if int(h) < len(healthNames) {
		return healthNames[h]
	}
	return fmt.Sprintf("health(%d)", uint8(h))
}

// MarshalText writes String.
func (h Health) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText refuses a word that is no health.
func (h *Health) UnmarshalText(b []byte) error {
	for i, n := range healthNames {
		if n == string(b) {
			*h = Health(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no health", b)
}
