package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// writer draws what teams write.
type writer struct {
	*rand.Rand
	// kinds are those of this run, and bads how many in a hundred new images never
	// come up.
	kinds []schema.Kind
	bads  int
	// room is what one slot may ask for at most.
	room   schema.CPU
	serial int
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func seconds(n int) schema.Duration { return schema.Duration(time.Duration(n) * time.Second) }

// image is a new version.
func (d *writer) image(name string) string {
	d.serial++
	kind := pick(d.Rand, good...)
	if d.IntN(100) < d.bads {
		kind = pick(d.Rand, bad...)
	}
	return fmt.Sprintf("%s:%s-%d", name, kind, d.serial)
}

// workload is any one that a repository could hold.
func (d *writer) workload(name string) schema.Workload {
	for {
		w := d.draft(name)
		if len(w.Check()) == 0 {
			return w
		}
	}
}

func (d *writer) draft(name string) schema.Workload {
	w := schema.Workload{Name: name, Kind: pick(d.Rand, d.kinds...), Image: d.image("app"), Pool: "default", LostAfter: seconds(pick(d.Rand, 30, 30, 60)),
		Resources: schema.Resources{CPU: max(50, d.room*schema.CPU(1+d.IntN(10))/10), Memory: schema.Bytes(32+d.IntN(256)) << 20},
		Stop:      schema.Stop{Signal: "SIGTERM", Grace: seconds(pick(d.Rand, 1, 10, 30))},
		Restart:   schema.Restart{Policy: "always", Backoff: seconds(1), MaxBackoff: seconds(300)}}
	switch w.Kind {
	case schema.Job, schema.Cron:
		d.job(&w)
		return w
	case schema.Service:
		w.Replicas = pick(d.Rand, 1, 2, 3, 4, 6)
	case schema.Stateful:
		w.Replicas = pick(d.Rand, 1, 1, 2, 3)
		w.Start = pick(d.Rand, schema.StartInOrder, schema.StartTogether)
		w.OnLost = pick(d.Rand, schema.WaitForNode, schema.ReplaceElsewhere, schema.ReplaceElsewhere)
		w.Retain = seconds(pick(d.Rand, 0, 600))
	}
	d.update(&w)
	if w.Kind != schema.Daemon && d.IntN(4) == 0 || w.Kind == schema.Stateful && d.IntN(2) == 0 {
		w.Volumes = map[string]schema.Volume{"data": {Path: "/data"}}
	}
	if d.IntN(3) == 0 {
		w.Ports = map[string]schema.Port{"http": {Container: 80, Protocol: "tcp"}}
	}
	if d.IntN(5) == 0 {
		w.Constraints = []schema.Constraint{{Attribute: "zone", Op: "=", Value: pick(d.Rand, "a", "b", "c")}}
	}
	if d.IntN(2) == 0 {
		w.Health = &schema.Health{Exec: &schema.ExecCheck{Command: []string{"true"}}, Interval: seconds(pick(d.Rand, 10, 30)), Timeout: seconds(2), Retries: 3, StartPeriod: seconds(30)}
	}
	return w
}

func (d *writer) update(w *schema.Workload) {
	w.Update = schema.Update{Strategy: pick(d.Rand, "rolling", "rolling", "rolling", "recreate", "ordered"),
		MaxSurge: schema.Amount{Count: pick(d.Rand, 1, 1, 2)}, MaxUnavailable: schema.Amount{Count: pick(d.Rand, 0, 0, 1)},
		MinHealthyTime: seconds(pick(d.Rand, 5, 10)), HealthyDeadline: seconds(90), ProgressDeadline: seconds(240), MaxFailures: pick(d.Rand, 0, 0, 1)}
	if w.Kind == schema.Stateful {
		w.Update.Strategy = pick(d.Rand, schema.Ordered, "recreate", "rolling")
	}
	if w.Kind == schema.Service && d.IntN(8) == 0 {
		w.Update.Strategy = schema.BlueGreen
	}
}

func (d *writer) job(w *schema.Workload) {
	w.Update, w.Restart = schema.Update{}, schema.Restart{}
	w.Batch = schema.Batch{Completions: pick(d.Rand, 1, 1, 3), Parallelism: pick(d.Rand, 1, 2), Attempts: pick(d.Rand, 1, 3), Backoff: seconds(10),
		MaxBackoff: seconds(60), Keep: 2}
	w.Parallelism = min(w.Parallelism, w.Completions)
	w.OnLost = pick(d.Rand, schema.WaitForNode, schema.RetryElsewhere)
	if w.Kind == schema.Cron {
		w.Timing = schema.Timing{Schedule: pick(d.Rand, "*/5 * * * *", "*/10 * * * *", "0 * * * *", "30 2 * * *", "15,45 2 * * *"), TimeZone: pick(d.Rand, "UTC", "Europe/Berlin"),
			Overlap: pick(d.Rand, schema.AllowOverlap, schema.ForbidOverlap, schema.ReplaceOverlap), CatchUp: seconds(600)}
	}
}

// edit is the next text of a repository: a few workloads come, go and change.
func (d *writer) edit(was []schema.Workload, most int) []schema.Workload {
	all := slices.Clone(was)
	for range 1 + d.IntN(4) {
		switch k := d.IntN(10); {
		case k == 0 && len(all) > 1:
			i := d.IntN(len(all))
			all = slices.Delete(all, i, i+1)
		case k == 1 && len(all) < most:
			d.serial++
			all = append(all, d.workload(fmt.Sprintf("%s/w%d", pick(d.Rand, teams...), d.serial)))
		case len(all) > 0:
			i := d.IntN(len(all))
			all[i] = d.change(all[i])
		}
	}
	return all
}

var teams = []string{"a", "b", "c"}

func (d *writer) change(w schema.Workload) schema.Workload {
	next := w
	switch d.IntN(6) {
	case 0:
		if w.Kind == schema.Service || w.Kind == schema.Stateful {
			next.Replicas = d.IntN(6)
		}
	case 1:
		next.Resources.CPU = max(50, d.room*schema.CPU(1+d.IntN(10))/10)
	case 2:
		next.Env = map[string]string{"N": fmt.Sprint(d.IntN(1000))}
	default:
		next.Image = d.image("app")
	}
	if len(next.Check()) > 0 {
		return w
	}
	return next
}
