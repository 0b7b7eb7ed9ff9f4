package agent_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/schema"
)

// rig plays engine and shell for Step. Its commands, one a block:
//
//	assign            the orders follow, one a line: ID key=value…
//	list              the engine tells what it holds
//	ask, answer       the same in two parts, with other commands in between
//	done VERB NAME    an action ends well
//	done perform ID [code=N] [text]   a step ends, having written the text
//	fail VERB NAME CODE [key=value…] [text]
//	exit ID [code=N] [oom] [ran=D]   a container ends, and the engine tells
//	lost ID           a container is removed by someone else
//	alien ID [ports=…]   a container appears that no order names
//	full ID [NAME…]   the container's volumes that take no more
//	fetched IMAGE DONE TOTAL   how far a pull is, in bytes
//	settle            every action under way ends well, until none is left
//	tick D            time passes, with the steps that were asked for
//	renew [D]         the server has heard what was sent D ago, now without it
//	down              the engine does not answer
//	restart           the agent starts again with its kept memories
type rig struct {
	began, now time.Time
	// ahead is how far the machine's clock, and the engine's, is before now.
	ahead  time.Duration
	local  *agent.Local
	orders []nodes.Order
	// deletions are those of the same Assignment, deleted what was told of them.
	deletions []nodes.Deletion
	deleted   string
	boxes     map[string]*agent.Status
	underway  []agent.Action
	asked     *agent.Listing
	last      []nodes.Instance
	busy      string
	disk      string
	wake      time.Time
	lease     time.Time
	made      int
	wrote     []string // what the step that ends now has to say
	out       strings.Builder
}

func newRig() *rig {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	return &rig{began: at, now: at, local: agent.NewLocal(nil), boxes: map[string]*agent.Status{}, busy: "[]"}
}

func (r *rig) do(t *testing.T, command string, lines []string) string {
	r.out.Reset()
	args := strings.Fields(command)
	switch verb := args[0]; verb {
	case "assign":
		r.orders, r.deletions = nil, nil
		for _, l := range lines {
			if slot, is := strings.CutPrefix(l, "erase "); is { // the volumes of a slot
				s, _ := schema.ParseSlot(slot)
				r.deletions = append(r.deletions, nodes.Deletion{Slot: s})
				continue
			}
			r.orders = append(r.orders, parseOrder(t, l))
		}
		r.step(agent.Input{})
	case "list":
		r.step(agent.Input{Listing: r.listing()})
	case "ask":
		r.asked = r.listing()
	case "answer":
		r.step(agent.Input{Listing: r.asked})
	case "done":
		r.wrote = args[3:]
		r.finish(t, args[1], args[2], nil)
	case "fail":
		r.finish(t, args[1], args[2], parseFailure(args[3:]))
	case "exit":
		r.exit(args[1], args[2:])
		r.step(agent.Input{Listing: r.listing()})
	case "lost":
		delete(r.boxes, args[1])
		r.step(agent.Input{Listing: r.listing()})
	case "alien":
		r.boxes[args[1]] = r.newBox(parseOrder(t, strings.Join(args[1:], " ")+" image=x"))
		r.step(agent.Input{Listing: r.listing()})
	case "full":
		r.boxes[args[1]].Full = args[2:]
		r.step(agent.Input{Listing: r.listing()})
	case "fetched":
		r.step(agent.Input{Fetched: []agent.Fetched{parseFetched(t, args[1:])}})
	case "settle":
		r.settle()
	case "tick":
		d, err := time.ParseDuration(args[1])
		if err != nil {
			t.Fatal(err)
		}
		r.tick(d)
	case "renew":
		ago, _ := time.ParseDuration(strings.Join(args[1:], ""))
		r.lease = r.now.Add(nodes.LeaseTime - ago)
		r.step(agent.Input{})
	case "down":
		r.step(agent.Input{EngineDown: true})
	case "restart":
		r.local, r.underway, r.last, r.wake = agent.NewLocal(r.local.Memories()), nil, nil, time.Time{}
		r.busy, r.disk = "[]", ""
		r.step(agent.Input{})
	default:
		t.Fatalf("no command %q", verb)
	}
	return r.out.String()
}

func (r *rig) listing() *agent.Listing {
	l := &agent.Listing{Began: r.local.Pass()}
	for _, id := range slices.Sorted(maps.Keys(r.boxes)) {
		l.Items = append(l.Items, *r.boxes[id])
	}
	return l
}

func (r *rig) wall() time.Time { return r.now.Add(r.ahead) }

// step calls Step and tells what it said.
func (r *rig) step(in agent.Input) agent.Output {
	in.Local, in.Orders, in.Deletions, in.Now, in.Wall = r.local, r.orders, r.deletions, r.now, r.wall()
	in.Lease = r.lease
	out := agent.Step(in)
	for _, a := range out.Actions {
		r.say("%s", tellAction(a))
		if a.Verb == agent.Cancel {
			continue
		}
		r.underway = append(r.underway, a)
	}
	if out.Changed {
		r.tellChanges(out.Instances)
	}
	if deleted := tellDeleted(r.local.Deleted()); deleted != r.deleted {
		r.deleted = deleted
		r.say("deleted: %s", deleted)
	}
	if busy := fmt.Sprint(r.local.BusyPorts()); busy != r.busy {
		r.busy = busy
		r.say("busy ports: %s", busy)
	}
	if disk := r.local.DiskFull(); disk != r.disk {
		r.disk = disk
		r.say("disk: %q", disk)
	}
	r.wake = out.Wake
	if out.List {
		r.say("wants a list")
	}
	return out
}

func (r *rig) say(format string, args ...any) {
	fmt.Fprintf(&r.out, "%-7s "+format+"\n", append([]any{r.clock(r.now)}, args...)...)
}

func (r *rig) clock(t time.Time) string { return "+" + t.Sub(r.began).String() }

func tellAction(a agent.Action) string {
	text := "> " + a.Verb.String()
	switch a.Verb {
	case agent.Perform:
		return fmt.Sprintf("%s %s on %s within %s", text, a.ID, a.Target.ID, a.Timeout)
	case agent.Pull:
		return text + " " + source(a.Image)
	case agent.Stop:
		return fmt.Sprintf("%s %s %s %s", text, a.ID, a.Signal, a.Grace)
	case agent.Cancel:
		return text + " " + a.ID + source(a.Image)
	}
	return text + " " + a.ID
}

// source is what is pulled, in one word.
func source(ref string) string {
	if a, ok := schema.ParseArtifactRef(ref); ok {
		return "artifact:" + a.SHA256
	}
	return ref
}

func (r *rig) tellChanges(now []nodes.Instance) {
	for i := range now {
		text := r.tell(&now[i])
		if j := slices.IndexFunc(r.last, func(x nodes.Instance) bool { return x.ID == now[i].ID }); j < 0 || r.tell(&r.last[j]) != text {
			r.say("%s", text)
		}
	}
	for i := range r.last {
		if !slices.ContainsFunc(now, func(x nodes.Instance) bool { return x.ID == r.last[i].ID }) {
			r.say("%s is gone", r.last[i].ID)
		}
	}
	r.last = now
}

func (r *rig) tell(i *nodes.Instance) string {
	text := fmt.Sprintf("%s %s", i.ID, i.Phase)
	if i.Health != nodes.HealthUnknown && i.Health != nodes.NoCheck {
		text += " " + i.Health.String()
	}
	if i.Container != "" {
		text += " " + i.Container
	}
	if i.Restarts > 0 {
		text += fmt.Sprintf(" restarts=%d", i.Restarts)
	}
	if o := i.Outcome; o != nil {
		text += fmt.Sprintf(" [passed=%v unknown=%v code=%d %q %q]", o.Passed, o.Unknown, o.ExitCode, o.Text, o.Output)
	}
	if f := i.Failure; f != nil {
		said := ""
		if f.Log != "" {
			said = ", saying " + f.Log
		}
		text += fmt.Sprintf(" (%s ×%d: %s%s)", f.Code, f.Count, f.Text, said)
	}
	if i.Fetched != nil {
		text += " " + i.Fetched.String()
	}
	return text
}

func (r *rig) settle() {
	for len(r.underway) > 0 {
		r.end(0, nil)
	}
}

// tick lets time pass, waking whenever Step asked to be woken.
func (r *rig) tick(d time.Duration) {
	end := r.now.Add(d)
	for !r.wake.IsZero() && !r.wake.After(end) {
		r.now = r.wake
		r.step(agent.Input{})
	}
	r.now = end
	if r.out.Len() == 0 {
		r.say("nothing")
	}
}

func (r *rig) finish(t *testing.T, verb, name string, f *nodes.Failure) {
	i := slices.IndexFunc(r.underway, func(a agent.Action) bool {
		return a.Verb.String() == verb && (a.ID == name || source(a.Image) == name)
	})
	if i < 0 {
		t.Fatalf("no %s of %s is under way", verb, name)
	}
	r.end(i, f)
}

// end ends the action i, and does to the boxes what an engine would.
func (r *rig) end(i int, f *nodes.Failure) agent.Output {
	a := r.underway[i]
	r.underway = slices.Delete(r.underway, i, i+1)
	res := agent.Result{Verb: a.Verb, ID: a.ID, Image: a.Image, Life: a.Status.Started, Failure: f}
	if f != nil && f.Text == "cancelled" {
		res.Cancelled = true
	}
	if f == nil {
		r.apply(a, &res)
	}
	return r.step(agent.Input{Results: []agent.Result{res}})
}

func (r *rig) apply(a agent.Action, res *agent.Result) {
	switch b := r.boxes[a.ID]; a.Verb {
	case agent.Start:
		if b == nil {
			b = r.newBox(*a.Order)
			r.boxes[a.ID] = b
		}
		b.State, b.Started, b.Finished = agent.StateRunning, r.wall(), time.Time{}
		copied := *b
		res.Status = &copied
	case agent.Stop:
		if b != nil {
			b.State, b.Finished = agent.StateExited, r.wall()
		}
	case agent.Remove:
		delete(r.boxes, a.ID)
	case agent.Quote:
		res.Lines = "panic: no database"
	case agent.Perform, agent.Tail:
		res.Outcome = r.outcome(a)
	}
}

// outcome is what a shell would make of what was written.
func (r *rig) outcome(a agent.Action) *nodes.Outcome {
	o := &nodes.Outcome{Passed: true}
	if a.Verb == agent.Tail {
		o.ExitCode, o.Passed = a.Status.ExitCode, a.Status.ExitCode == 0 && !a.Halted
	}
	for _, word := range r.wrote {
		if code, is := strings.CutPrefix(word, "code="); is {
			o.ExitCode, _ = strconv.Atoi(code)
			o.Passed = o.ExitCode == 0
			continue
		}
		o.Output += word + " "
	}
	o.Output = nodes.CutOutput(o.Output)
	r.wrote = nil
	return o
}

func (r *rig) newBox(o nodes.Order) *agent.Status {
	r.made++
	if o.Ports == nil {
		o.Ports = map[string]int{} // it is known to have none
	}
	return &agent.Status{
		ID: o.ID, Slot: o.Slot, Digest: o.Digest, Container: fmt.Sprintf("c%d", r.made),
		State: agent.StateRunning, Started: r.wall(), Ports: o.Ports,
	}
}

func (r *rig) exit(id string, args []string) {
	b := r.boxes[id]
	b.State, b.Finished, b.ExitCode, b.OOM = agent.StateExited, r.wall(), 0, false
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		switch k {
		case "code":
			b.ExitCode, _ = strconv.Atoi(v)
		case "oom":
			b.OOM, b.ExitCode = true, 137
		}
	}
}

// parseFetched reads "IMAGE DONE TOTAL".
func parseFetched(t fataler, args []string) agent.Fetched {
	done, err := schema.ParseBytes(args[1])
	total, err2 := schema.ParseBytes(args[2])
	if err != nil || err2 != nil {
		t.Fatalf("%q: %v, %v", args, err, err2)
	}
	return agent.Fetched{Image: args[0], Fetched: nodes.Fetched{Done: done, Total: total}}
}

// parseOrder reads "t/web.0@a image=web:a ports=http:20000 stop".
func parseOrder(t fataler, line string) nodes.Order {
	words := strings.Fields(line)
	name, digest, _ := strings.Cut(words[0], "@")
	slot, ok := schema.ParseSlot(name)
	if !ok {
		t.Fatalf("%q names no slot", name)
	}
	w := &schema.Workload{Name: slot.Workload, Image: "web:" + digest, Restart: schema.Restart{
		Policy: "always", Backoff: schema.Duration(time.Second), MaxBackoff: schema.Duration(8 * time.Second),
	}, Stop: schema.Stop{Signal: "SIGTERM", Grace: schema.Duration(10 * time.Second)}}
	o := nodes.Order{ID: words[0], Slot: slot, Digest: schema.Digest(digest), Workload: w}
	for _, word := range words[1:] {
		k, v, _ := strings.Cut(word, "=")
		setOrder(t, &o, w, k, v)
	}
	return o
}

func setOrder(t fataler, o *nodes.Order, w *schema.Workload, k, v string) {
	d, _ := time.ParseDuration(v)
	switch k {
	case "image":
		w.Image = v
	case "step": // step=ID: on that instance; step: a container of its own
		o.Step = &nodes.Step{Name: "a step", On: v, Timeout: schema.Duration(30 * time.Second)}
		if w.Restart.Policy = "never"; v != "" {
			o.Workload, o.Step.Exec = nil, &schema.ExecCheck{Command: []string{"drain"}}
		}
	case "artifact":
		w.Artifact = &schema.Artifact{SHA256: v}
	case "init", "side":
		for _, name := range strings.Split(v, ",") {
			p := schema.Part{Name: name, Image: k + ":" + name}
			if k == "init" {
				w.Init = append(w.Init, p)
			} else {
				w.Sidecars = append(w.Sidecars, p)
			}
		}
	case "post":
		w.PostStop = &schema.PostStop{Part: schema.Part{Name: v, Image: "post:" + v}, Timeout: schema.Duration(10 * time.Second)}
	case "stop":
		o.Stop = true
	case "kind":
		w.Kind = schema.Kind(v)
	case "notkept":
		o.Stop, o.Reason = true, nodes.NotKept
	case "leased":
		o.Leased = true
	case "policy":
		w.Restart.Policy = v
	case "backoff":
		w.Restart.Backoff = schema.Duration(d)
	case "max":
		w.Restart.MaxBackoff = schema.Duration(d)
	case "ports":
		name, port, _ := strings.Cut(v, ":")
		n, _ := strconv.Atoi(port)
		o.Ports, w.Ports = map[string]int{name: n}, map[string]schema.Port{name: {Container: 8080, Protocol: "tcp"}}
	case "health":
		w.Health = &schema.Health{HTTP: &schema.HTTPCheck{Path: "/up", Port: v}, Interval: schema.Duration(10 * time.Second), Timeout: schema.Duration(time.Second), Retries: 3}
	case "retries":
		w.Health.Retries, _ = strconv.Atoi(v)
	case "interval":
		w.Health.Interval = schema.Duration(d)
	case "startPeriod":
		w.Health.StartPeriod = schema.Duration(d)
	default:
		t.Fatalf("no key %q", k)
	}
}

func parseFailure(words []string) *nodes.Failure {
	f := &nodes.Failure{Code: nodes.FailureCode(words[0])}
	var text []string
	for _, w := range words[1:] {
		if v, ok := strings.CutPrefix(w, "port="); ok {
			f.Port, _ = strconv.Atoi(v)
			continue
		}
		text = append(text, w)
	}
	f.Text = strings.Join(text, " ")
	return f
}

// fataler is a testing.T or a rapid.T.
type fataler interface{ Fatalf(string, ...any) }

func tellDeleted(all []nodes.Deleted) string {
	var parts []string
	for _, d := range all {
		part := d.Slot.String()
		if d.Failure != nil {
			part += fmt.Sprintf(" not (%s ×%d)", d.Failure.Code, d.Failure.Count)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
