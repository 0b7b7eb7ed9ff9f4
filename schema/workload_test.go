package schema

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func sample() Workload {
	return Workload{
		Name: "shop/web", Kind: Service, Image: "registry.example/web:1",
		Command: []string{"/bin/web"}, Args: []string{"-v"}, Env: map[string]string{"A": "1"}, User: "app", Workdir: "/srv",
		Replicas: 3, Resources: Resources{CPU: 100, Memory: 1 << 20},
		Ports:   map[string]Port{"http": {Container: 80, Protocol: "tcp"}},
		Volumes: map[string]Volume{"data": {Path: "/data"}},
		Health:  &Health{TCP: &TCPCheck{Port: "http"}, Interval: Duration(time.Second), Timeout: Duration(time.Second), Retries: 3},
		Restart: Restart{Policy: "always", Backoff: Duration(time.Second), MaxBackoff: Duration(time.Minute)},
		Stop:    Stop{Signal: "SIGTERM", Grace: Duration(time.Second)},
		Pool:    "default", LostAfter: Duration(time.Minute), Labels: map[string]string{"a": "b"},
		Update: Update{Strategy: "rolling", MaxSurge: Amount{Count: 1}, HealthyDeadline: Duration(time.Minute), ProgressDeadline: Duration(time.Minute)},
	}
}

// changes holds one change for every field of a workload, and whether it makes
// other containers. A restart that nobody needs is I33's concern, one that does
// not happen a stale container.
var changes = map[string]struct {
	change func(*Workload)
	digest bool
}{
	"Image":        {func(w *Workload) { w.Image = "registry.example/web:2" }, true},
	"Pinned":       {func(w *Workload) { w.Pinned = "registry.example/web@sha256:00" }, true},
	"Init":         {func(w *Workload) { w.Init = []Part{{Name: "a"}} }, true},
	"Sidecars":     {func(w *Workload) { w.Sidecars = []Part{{Name: "a"}} }, true},
	"PostStop":     {func(w *Workload) { w.PostStop = &PostStop{Part: Part{Name: "a"}} }, true},
	"Artifact":     {func(w *Workload) { w.Artifact = &Artifact{SHA256: "00"} }, true},
	"Java":         {func(w *Workload) { w.Java = &Java{Jar: "a.jar"} }, true},
	"Command":      {func(w *Workload) { w.Command = []string{"/bin/other"} }, true},
	"Args":         {func(w *Workload) { w.Args = nil }, true},
	"Env":          {func(w *Workload) { w.Env = map[string]string{"A": "2"} }, true},
	"User":         {func(w *Workload) { w.User = "root" }, true},
	"Workdir":      {func(w *Workload) { w.Workdir = "/" }, true},
	"Resources":    {func(w *Workload) { w.Resources.Limit.Memory = 2 << 20 }, true},
	"Ports":        {func(w *Workload) { w.Ports = map[string]Port{"http": {Container: 81, Protocol: "tcp"}} }, true},
	"Volumes":      {func(w *Workload) { w.Volumes = map[string]Volume{"data": {Path: "/data", ReadOnly: true}} }, true},
	"Network":      {func(w *Workload) { w.Network = Host }, true},
	"Tmpfs":        {func(w *Workload) { w.Tmpfs = map[string]Tmpfs{"run": {Path: "/run"}} }, true},
	"ReadOnlyRoot": {func(w *Workload) { w.ReadOnlyRoot = true }, true},
	"Labels":       {func(w *Workload) { w.Labels = map[string]string{"a": "c"} }, true},
	"Name":         {func(w *Workload) { w.Name = "shop/api" }, false},
	"Kind":         {func(w *Workload) { w.Kind = Daemon }, false},
	"Replicas":     {func(w *Workload) { w.Replicas = 4 }, false},
	"Health":       {func(w *Workload) { w.Health = nil }, false},
	"Restart":      {func(w *Workload) { w.Restart.Policy = "never" }, false},
	"Stop":         {func(w *Workload) { w.Stop.Grace = 0 }, false},
	"Constraints":  {func(w *Workload) { w.Constraints = []Constraint{{Attribute: "zone", Op: "exists"}} }, false},
	"Affinity":     {func(w *Workload) { w.Affinity = []Affinity{{Weight: 1}} }, false},
	"Spread":       {func(w *Workload) { w.Spread = []Spread{{Over: "zone"}} }, false},
	"Near":         {func(w *Workload) { w.Near = []Near{{Over: "zone"}} }, false},
	"MaxPer":       {func(w *Workload) { w.MaxPer = map[string]int{"node": 1} }, false},
	"Tolerates":    {func(w *Workload) { w.Tolerates = []string{"gpu"} }, false},
	"Priority":     {func(w *Workload) { w.Priority = 1 }, false},
	"Revocable":    {func(w *Workload) { w.Revocable = true }, false},
	"Gang":         {func(w *Workload) { w.Gang = true }, false},
	"Pool":         {func(w *Workload) { w.Pool = "batch" }, false},
	"Update":       {func(w *Workload) { w.Update.Strategy = "recreate" }, false},
	"After":        {func(w *Workload) { w.After = []After{{Workload: "db/pg"}} }, false},
	"Quorum":       {func(w *Workload) { w.Quorum = 2 }, false},
	"Start":        {func(w *Workload) { w.Start = "parallel" }, false},
	"Retain":       {func(w *Workload) { w.Retain = 1 }, false},
	"LostAfter":    {func(w *Workload) { w.LostAfter = 0 }, false},

	"EvictWithVolumes": {func(w *Workload) { w.EvictWithVolumes = true }, false},
	"Completions":      {func(w *Workload) { w.Completions = 3 }, true}, // a run is made of them
	"Parallelism":      {func(w *Workload) { w.Parallelism = 2 }, false},
	"Attempts":         {func(w *Workload) { w.Attempts = 5 }, false},
	"Backoff":          {func(w *Workload) { w.Backoff = 1 }, false},
	"MaxBackoff":       {func(w *Workload) { w.MaxBackoff = 1 }, false},
	"Deadline":         {func(w *Workload) { w.Deadline = 1 }, false},
	"OnLost":           {func(w *Workload) { w.OnLost = RetryElsewhere }, false},
	"Keep":             {func(w *Workload) { w.Keep = 1 }, false},
	"Schedule":         {func(w *Workload) { w.Schedule = "@daily" }, false},
	"TimeZone":         {func(w *Workload) { w.TimeZone = "UTC" }, false},
	"Overlap":          {func(w *Workload) { w.Overlap = AllowOverlap }, false},
	"CatchUp":          {func(w *Workload) { w.CatchUp = 1 }, false},
}

func TestDigest_EachField(t *testing.T) {
	base := sample()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Workload]()) {
		if field.Anonymous {
			continue // its own fields are among them
		}
		c, ok := changes[field.Name]
		if !ok {
			t.Errorf("nobody decided whether %s is part of the digest", field.Name)
			continue
		}
		w := sample()
		c.change(&w)
		if reflect.DeepEqual(base, w) {
			t.Errorf("%s: the change changes nothing", field.Name)
		}
		if changed := w.Digest() != base.Digest(); changed != c.digest {
			t.Errorf("%s: the digest changed: %v, want %v", field.Name, changed, c.digest)
		}
	}
}

// I14, I16: equal content has equal digests, however its maps were filled, and
// after a way through JSON.
func TestDigest_Stable(t *testing.T) {
	a, b := sample(), sample()
	b.Env = maps.Collect(maps.All(b.Env))
	b.Args = slices.Clone(b.Args)
	data, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var c Workload
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	if a.Digest() != b.Digest() || a.Digest() != c.Digest() {
		t.Error("equal workloads have different digests")
	}
	if len(a.Digest()) != 64 || len(a.Digest().Short()) != 12 {
		t.Errorf("got %q", a.Digest())
	}
}

// A tag that moved counts only once it was resolved anew.
func TestDigest_Pinned(t *testing.T) {
	a, b := sample(), sample()
	a.Pinned, b.Pinned = "r/x@sha256:1", "r/x@sha256:1"
	b.Image = "registry.example/web:latest"
	if a.Digest() != b.Digest() {
		t.Error("one pinned image, two digests")
	}
}

func TestCheck_Sound(t *testing.T) {
	w := sample()
	if p := w.Check(); len(p) > 0 {
		t.Errorf("got %v", p)
	}
}

// Each rule names its field; the texts are held by the golden files of schema/load.
func TestCheck_Paths(t *testing.T) {
	for want, change := range map[string]func(*Workload){
		"env.1A":                  func(w *Workload) { w.Env = map[string]string{"1A": ""} },
		"env.":                    func(w *Workload) { w.Env = map[string]string{"": ""} },
		"resources.limit.cpu":     func(w *Workload) { w.Resources.Limit.CPU = 1 },
		"resources.limit.memory":  func(w *Workload) { w.Resources.Limit.Memory = 1 },
		"ports.A":                 func(w *Workload) { w.Ports["A"] = Port{Container: 1} },
		"volumes.-":               func(w *Workload) { w.Volumes["-"] = Volume{Path: "/x"} },
		"volumes.data.path":       func(w *Workload) { w.Volumes["data"] = Volume{Path: "//"} },
		"health":                  func(w *Workload) { w.Health.TCP = nil },
		"health.tcp.port":         func(w *Workload) { w.Ports = nil },
		"health.interval":         func(w *Workload) { w.Health.Interval = 0 },
		"health.timeout":          func(w *Workload) { w.Health.Timeout = 0 },
		"restart.backoff":         func(w *Workload) { w.Restart.Backoff = 0 },
		"restart.maxBackoff":      func(w *Workload) { w.Restart.MaxBackoff = 1 },
		"constraints.0":           func(w *Workload) { w.Constraints = []Constraint{{Op: "in"}} },
		"constraints.0.values":    func(w *Workload) { w.Constraints = []Constraint{{Op: "=", Values: []string{"a"}}} },
		"update":                  func(w *Workload) { w.Update.MaxSurge = Amount{} },
		"update.healthyDeadline":  func(w *Workload) { w.Update.HealthyDeadline = 0 },
		"update.progressDeadline": func(w *Workload) { w.Update.ProgressDeadline = 0 },
		"labels.bayplan.x":        func(w *Workload) { w.Labels = map[string]string{"bayplan.x": ""} },
	} {
		w := sample()
		change(&w)
		found := w.Check()
		if len(found) != 1 || strings.Join(found[0].Path, ".") != want {
			t.Errorf("want one problem at %s, got %v", want, found)
		}
	}
}

// One host port may serve tcp and udp; two ports of one protocol may not share it.
func TestCheck_HostPorts(t *testing.T) {
	w := sample()
	w.Ports = map[string]Port{"a": {1, 53, "tcp"}, "b": {1, 53, "udp"}, "c": {2, 0, "tcp"}, "d": {3, 0, "tcp"}, "http": {4, 0, "tcp"}}
	if p := w.Check(); len(p) > 0 {
		t.Errorf("got %v", p)
	}
	w.Ports["e"] = Port{5, 53, "tcp"}
	if p := w.Check(); len(p) != 1 || strings.Join(p[0].Path, ".") != "ports.e.host" {
		t.Errorf("got %v", p)
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{"a": true, "web-2": true, "0": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "a-": false, "A": false, "a.b": false, "a_b": false, "ä": false, "a/b": false, strings.Repeat("a", 64): false} {
		if ValidName(name) != want {
			t.Errorf("%q: got %v", name, !want)
		}
	}
}

// A map that is empty and one that is not there run the same container.
func TestDigest_EmptyIsAbsent(t *testing.T) {
	none := Workload{Name: "a/b", Image: "i"}
	empty := none
	empty.Env, empty.Labels, empty.Ports, empty.Command = map[string]string{}, map[string]string{}, map[string]Port{}, []string{}
	if none.Digest() != empty.Digest() {
		t.Error("an empty map changes the digest")
	}
}
