package schema

import (
	"maps"
	"slices"
	"time"
)

// MaxCatchUp bounds how late a cron's instant may still run.
const MaxCatchUp = Duration(24 * time.Hour)

// batch checks what a job and a cron have in common.
func (c *checker) batch() {
	if !c.w.Kind.Runs() {
		return
	}
	b := &c.w.Batch
	if b.Parallelism > b.Completions {
		c.add([]string{"parallelism"}, "parallelism %d is above completions %d: so many slots never run at once", b.Parallelism, b.Completions)
	}
	c.atLeast([]string{"backoff"}, b.Backoff, millisecond)
	if b.MaxBackoff < b.Backoff {
		c.add([]string{"maxBackoff"}, "maxBackoff %s is below backoff %s", b.MaxBackoff, b.Backoff)
	}
	for _, name := range slices.Sorted(maps.Keys(c.w.Volumes)) {
		if c.w.Volumes[name].Host == "" {
			c.add([]string{"volumes", name}, "a %s's attempts may be on any node, where a volume of their own would be empty: name a host volume (host: NAME), or use tmpfs", c.w.Kind)
		}
	}
}

// timing checks when a cron fires.
func (c *checker) timing() {
	if c.w.Kind != Cron {
		return
	}
	zone, err := LoadZone(c.w.TimeZone)
	if err != nil {
		c.add([]string{"timeZone"}, "%s", err)
		zone = time.UTC
	}
	if _, err := ParseSchedule(c.w.Schedule, zone); err != nil {
		c.add([]string{"schedule"}, "%s", err)
	}
	if c.w.CatchUp > MaxCatchUp {
		c.add([]string{"catchUp"}, "want at most %s, got %s", MaxCatchUp, c.w.CatchUp)
	}
}

// NotOf is why a kind has not a field that others have; empty where nothing is to
// be said beyond that.
func NotOf(kind Kind, field string) string {
	if !kind.Runs() {
		return ""
	}
	switch field {
	case "health":
		return "it has ended well if it exits with 0"
	case "update":
		return "it is not updated: a change of what would run is a new run"
	case "restart":
		return "it is tried again as attempts, backoff and maxBackoff say"
	case "replicas":
		return "it has completions and parallelism"
	}
	return ""
}
