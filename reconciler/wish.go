package reconciler

import (
	"fmt"
	"slices"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// Verb is what an operator can ask for beside Git.
type Verb string

// The verbs on nodes.
const (
	// CordonNode closes a node to new work, UncordonNode ends that and a drain.
	CordonNode   Verb = "cordon"
	UncordonNode Verb = "uncordon"
	// DrainNode moves what runs on a node to others.
	DrainNode Verb = "drain"
)

// Wish is one thing that an operator asks for. Who granted it is recorded with
// it: actor, cause and time (I39).
type Wish struct {
	Verb Verb
	// Of is the node or the workload.
	Of     string
	Actor  string
	Reason string
	// For is how long a hold lasts, or until when a drain should have ended; zero
	// is the verb's own measure.
	For time.Duration
	At  time.Time
}

// Granted is what became of a wish, in a sentence for the record and for who
// asked.
type Granted struct {
	Node, Workload string
	// Serving is the version that should receive traffic from now on, where the
	// wish is about that.
	Serving schema.Digest
	Text    string
	// Next is a command that shows how it goes on; may be empty.
	Next string
	// Commit is the revision whose version an undo goes back to.
	Commit string
}

// Refusal is why a wish is not granted: a sentence with what to type instead.
// Two operators at once are told of each other by it.
type Refusal struct {
	// Unknown is whether there is no such node or workload.
	Unknown bool
	Text    string
}

func (r *Refusal) Error() string { return r.Text }

func unknown(format string, a ...any) error {
	return &Refusal{Unknown: true, Text: fmt.Sprintf(format, a...)}
}

func refuse(format string, a ...any) error { return &Refusal{Text: fmt.Sprintf(format, a...)} }

// Grant is the facts with the wish in them. Nothing in f is changed in place.
func Grant(f Facts, w Wish) (Facts, Granted, error) {
	grant, known := grants[w.Verb]
	if !known {
		return f, Granted{}, refuse("there is no verb %q", w.Verb)
	}
	g, err := grant(&f, &w)
	return f, g, err
}

// grants has, by verb, what puts a wish into a copy of the facts.
var grants = map[Verb]func(*Facts, *Wish) (Granted, error){
	CordonNode: cordon, DrainNode: cordon, UncordonNode: uncordon,
	HoldWorkload: hold, ReleaseWorkload: release, PauseRollout: pause, ResumeRollout: resume,
	RestartWorkload: restart, RetryRollout: retry, UndoRollout: undo,
	PromoteWorkload: promote, AbortWorkload: abort,
	DeleteVolumes: deleteVolumes,
}

// by is "by ann", with the reason where there is one.
func by(actor, reason string) string {
	if reason == "" {
		return "by " + actor
	}
	return "by " + actor + ": " + reason
}

// since is "since 12:30:00 UTC by ann: disk", of what someone did before.
func since(at time.Time, actor, reason string) string {
	return "since " + at.UTC().Format("2006-01-02 15:04:05 UTC") + " " + by(actor, reason)
}

// cordon closes a node, also to what runs there if the wish is a drain. One that
// is closed already can only be drained.
func cordon(f *Facts, w *Wish) (Granted, error) {
	if _, known := slices.BinarySearchFunc(f.Nodes, w.Of, compareNodeFact); !known {
		return Granted{}, unknown("there is no node %s; see: bayplan node ls", w.Of)
	}
	c := Cordon{Node: w.Of, Actor: w.Actor, At: w.At, Reason: w.Reason, Drain: w.Verb == DrainNode}
	at, known := findCordon(f.Cordons, w.Of)
	if known && (f.Cordons[at].Drain || !c.Drain) {
		was := &f.Cordons[at]
		return Granted{}, refuse("%s is %s %s; to change that first: bayplan node uncordon %s", w.Of, was.word(), since(was.At, was.Actor, was.Reason), w.Of)
	}
	if c.Drain && w.For > 0 {
		c.Deadline = w.At.Add(w.For)
	}
	f.Cordons = slices.Clone(f.Cordons)
	if known {
		f.Cordons[at] = c
	} else {
		f.Cordons = slices.Insert(f.Cordons, at, c)
	}
	if !c.Drain {
		return Granted{Node: w.Of, Text: fmt.Sprintf("%s is cordoned %s", w.Of, by(w.Actor, w.Reason)), Next: "bayplan node ls"}, nil
	}
	text := fmt.Sprintf("%s is drained %s", w.Of, by(w.Actor, w.Reason))
	if w.For > 0 {
		text += fmt.Sprintf(" (until %s)", c.Deadline.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return Granted{Node: w.Of, Text: text, Next: "bayplan node ls -w"}, nil
}

func uncordon(f *Facts, w *Wish) (Granted, error) {
	at, known := findCordon(f.Cordons, w.Of)
	if _, there := slices.BinarySearchFunc(f.Nodes, w.Of, compareNodeFact); !there && !known {
		return Granted{}, unknown("there is no node %s; see: bayplan node ls", w.Of)
	}
	if !known {
		return Granted{}, refuse("%s is not cordoned; see: bayplan node ls", w.Of)
	}
	f.Cordons = slices.Delete(slices.Clone(f.Cordons), at, at+1)
	return Granted{Node: w.Of, Text: fmt.Sprintf("%s takes work again, uncordoned %s", w.Of, by(w.Actor, w.Reason)), Next: "bayplan node ls"}, nil
}
