package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Problem is a rule that a workload breaks by itself.
type Problem struct {
	// Path leads to the field inside the workload, as users write it.
	Path    []string
	Message string
}

// ValidName tells whether s may name a workload, a port, a volume, a pool or a
// folder of a team: a label of the domain name system.
func ValidName(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.IndexFunc(s, notNameRune) < 0
}

// NameRule says what ValidName wants.
const NameRule = "want a name of a-z, 0-9 and -, up to 63 long"

func notNameRune(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
}

// Check finds what relates two fields, or the keys of a map: the rules that the
// CUE files do not state, since their messages would not name the culprit. The
// workload has every default filled in. The order is that of the fields.
func (w *Workload) Check() []Problem {
	c := checker{w: w}
	c.size()
	c.program()
	c.env()
	c.resources()
	c.ports()
	c.volumes()
	c.health()
	c.restart()
	c.placing()
	c.stateful()
	c.update()
	c.runbook()
	c.sets()
	c.canary()
	c.batch()
	c.timing()
	c.after()
	c.group()
	c.labels()
	return c.found
}

// MaxWorkload is how many bytes a workload may take. A node is sent all of its
// workloads in one message of 16 MiB: so many at least fit in it side by side
// that no team's can keep another's out.
const MaxWorkload = 32 << 10

func (c *checker) size() {
	if b, err := json.Marshal(c.w); err == nil && len(b) > MaxWorkload {
		c.add(nil, "the workload takes %d bytes, at most %d are allowed: large values belong into the image or a volume", len(b), MaxWorkload)
	}
}

type checker struct {
	w     *Workload
	found []Problem
}

func (c *checker) add(path []string, format string, args ...any) {
	c.found = append(c.found, Problem{path, fmt.Sprintf(format, args...)})
}

func (c *checker) env() {
	for _, name := range slices.Sorted(maps.Keys(c.w.Env)) {
		if !validEnv(name) {
			c.add([]string{"env", name}, "want a variable's name of letters, digits and _ that no digit begins")
		}
	}
}

func validEnv(name string) bool {
	for i, r := range name {
		letter := r == '_' || (r|0x20 >= 'a' && r|0x20 <= 'z')
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

func (c *checker) resources() {
	r := c.w.Resources
	if r.Limit.CPU > 0 && r.Limit.CPU < r.CPU {
		c.add([]string{"resources", "limit", "cpu"}, "limit %s is below the request %s", r.Limit.CPU, r.CPU)
	}
	if r.Limit.Memory > 0 && r.Limit.Memory < r.Memory {
		c.add([]string{"resources", "limit", "memory"}, "limit %s is below the request %s", r.Limit.Memory, r.Memory)
	}
}

func (c *checker) ports() {
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.w.Ports)) {
		c.name("ports", name)
		p := c.w.Ports[name]
		c.container(name, p)
		if p.Host == 0 {
			continue
		}
		key := strconv.Itoa(p.Host) + "/" + p.Protocol
		if first, taken := owner[key]; taken {
			c.add([]string{"ports", name, "host"}, "host port %s is taken by port %q of the same workload", key, first)
			continue
		}
		owner[key] = name
	}
}

// container wants the port inside where there is an inside.
func (c *checker) container(name string, p Port) {
	path := []string{"ports", name, "container"}
	switch {
	case c.w.Network == Host && p.Container != 0:
		c.add(path, `on network "host" the program listens on the port that $PORT_%s tells it: leave container out, or say host: %d`,
			EnvName(name), p.Container)
	case c.w.Network != Host && p.Container == 0:
		c.add([]string{"ports", name}, "container is missing: the port that the program listens on")
	}
}

// EnvName is a port's name as part of a variable's: "admin-ui" is ADMIN_UI.
func EnvName(port string) string { return strings.ToUpper(strings.ReplaceAll(port, "-", "_")) }

// folder finds what speaks against a place in the container; owner says who has
// which already.
func (c *checker) folder(owner map[string]string, field, kind, name, at string) {
	c.name(field, name)
	path := []string{field, name, "path"}
	clean := "/" + strings.Trim(at, "/")
	first, taken := owner[clean]
	switch {
	case clean == "/":
		c.add(path, "a %s cannot take the place of the container's root", kind)
	case slices.Contains(strings.Split(clean, "/"), ".."):
		c.add(path, "want an absolute path without ..")
	case taken:
		c.add(path, "%s is taken by %s of the same workload", clean, first)
	default:
		owner[clean] = fmt.Sprintf("%s %q", kind, name)
	}
}

func (c *checker) health() {
	h := c.w.Health
	if h == nil {
		return
	}
	if n := countSet(h.HTTP != nil, h.TCP != nil, h.Exec != nil); n != 1 {
		c.add([]string{"health"}, "want exactly one of http, tcp and exec, got %d", n)
	}
	if h.HTTP != nil {
		c.healthPort([]string{"health", "http", "port"}, h.HTTP.Port)
	}
	if h.TCP != nil {
		c.healthPort([]string{"health", "tcp", "port"}, h.TCP.Port)
	}
	c.atLeast([]string{"health", "interval"}, h.Interval, 100*millisecond)
	c.atLeast([]string{"health", "timeout"}, h.Timeout, millisecond)
}

func countSet(set ...bool) (n int) {
	for _, s := range set {
		if s {
			n++
		}
	}
	return n
}

func (c *checker) healthPort(path []string, name string) { c.probedPort(path, name, "a health check") }

// probedPort is a port that who connects to must find.
func (c *checker) probedPort(path []string, name, who string) {
	p, ok := c.w.Ports[name]
	switch {
	case !ok && len(c.w.Ports) == 0:
		c.add(path, "there is no port %q: the workload has no ports", name)
	case !ok:
		c.add(path, "there is no port %q, only %s", name, strings.Join(slices.Sorted(maps.Keys(c.w.Ports)), ", "))
	case p.Protocol == "udp":
		c.add(path, "port %q is udp, and %s needs tcp", name, who)
	}
}

func (c *checker) restart() {
	if c.w.Kind.Runs() {
		return
	}
	r := c.w.Restart
	c.atLeast([]string{"restart", "backoff"}, r.Backoff, millisecond)
	if r.MaxBackoff < r.Backoff {
		c.add([]string{"restart", "maxBackoff"}, "maxBackoff %s is below backoff %s", r.MaxBackoff, r.Backoff)
	}
}

func (c *checker) update() {
	if c.w.Kind.Runs() {
		return
	}
	u := c.w.Update
	if (u.Strategy == "rolling" || u.Strategy == Canary) && c.w.Kind != Stateful && u.MaxSurge.none() && u.MaxUnavailable.none() {
		c.add([]string{"update"}, "maxSurge and maxUnavailable are both 0, so no slot could ever be replaced")
	}
	c.atLeast([]string{"update", "healthyDeadline"}, u.HealthyDeadline, millisecond)
	c.atLeast([]string{"update", "progressDeadline"}, u.ProgressDeadline, millisecond)
	if u.ProgressDeadline > 0 && u.MinHealthyTime >= u.ProgressDeadline {
		c.add([]string{"update", "minHealthyTime"}, "minHealthyTime %s is not below progressDeadline %s: the update is over before any container counts", u.MinHealthyTime, u.ProgressDeadline)
	}
}

func (a Amount) none() bool { return a.Count == 0 && a.Percent == 0 }

func (c *checker) labels() {
	for _, name := range slices.Sorted(maps.Keys(c.w.Labels)) {
		path := []string{"labels", name}
		switch {
		case name == "" || len(name) > 255:
			c.add(path, "want a label's name of 1 to 255 bytes")
		case strings.HasPrefix(name, "bayplan"):
			c.add(path, "labels that begin with \"bayplan\" are the cluster's own")
		}
	}
}

func (c *checker) name(field, name string) {
	if !ValidName(name) {
		c.add([]string{field, name}, "%s", NameRule)
	}
}

const millisecond = Duration(1e6)

func (c *checker) atLeast(path []string, d, least Duration) {
	if d < least {
		c.add(path, "want at least %s, got %s", least, d)
	}
}
