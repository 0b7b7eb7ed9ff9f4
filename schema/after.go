package schema

import (
	"encoding/json"
	"fmt"
	"strings"
)

// After is another workload that has to come to something before this one's
// first start, and before each of its updates. It is written "db/pg" or
// "db/pg:started".
type After struct {
	// Workload is "team/name".
	Workload string
	// Is is what it has to be; empty is what is usual for its kind.
	Is Condition
}

// Condition is what a workload waits for another to be.
type Condition string

// The conditions, each of the newest text of the other: Started has every slot
// running, Healthy every slot healthy for its minHealthyTime, and Completed is
// what has run to its end.
const (
	Started   Condition = "started"
	Healthy   Condition = "healthy"
	Completed Condition = "completed"
)

// Condition is Is, or what one waits for in a workload of the kind where nothing
// is said: a job's end, and the health of what stays.
func (a After) Condition(of Kind) Condition {
	switch {
	case a.Is != "":
		return a.Is
	case of == Job:
		return Completed
	case of == Cron:
		return Started
	}
	return Healthy
}

// String is the text as users write it.
func (a After) String() string {
	if a.Is == "" {
		return a.Workload
	}
	return a.Workload + ":" + string(a.Is)
}

// MarshalJSON writes String.
func (a After) MarshalJSON() ([]byte, error) { return json.Marshal(a.String()) }

// UnmarshalJSON reads String. Which conditions there are is the files' to say.
func (a *After) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	name, is, _ := strings.Cut(text, ":")
	a.Workload, a.Is = name, Condition(is)
	return nil
}

// after finds what a workload cannot wait for by itself.
func (c *checker) after() {
	seen := map[string]bool{}
	for i, a := range c.w.After {
		path := []string{"after", fmt.Sprint(i)}
		switch {
		case a.Workload == c.w.Name:
			c.add(path, "a workload cannot wait for itself")
		case seen[a.Workload]:
			c.add(path, "%s is named twice", a.Workload)
		}
		seen[a.Workload] = true
	}
}

// Circle is the way on which a workload waits for itself, from it and back to
// it by their names; nil where there is none. next tells what each waits for.
func Circle(from string, next func(name string) []After) []string {
	seen := map[string]bool{}
	var follow func(way []string) []string
	follow = func(way []string) []string {
		for _, a := range next(way[len(way)-1]) {
			if a.Workload == from {
				return append(way, from)
			}
			if seen[a.Workload] {
				continue
			}
			seen[a.Workload] = true
			if found := follow(append(way, a.Workload)); found != nil {
				return found
			}
		}
		return nil
	}
	return follow([]string{from})
}
