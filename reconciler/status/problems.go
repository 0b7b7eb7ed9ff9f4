package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// problems are what someone should know, the shells' own first, then by
// subject. One cause is told once.
func (b *builder) problems(s *Status) []Problem {
	all := []Problem{}
	all = append(all, b.in.Troubles...)
	all = append(all, commitProblems(&s.Revision)...)
	for i := range s.Repos {
		all = append(all, commitProblems(&s.Repos[i].Revision)...)
	}
	all = append(all, commitTextProblems(&b.in)...)
	all = append(all, teamProblems(&b.in)...)
	all = append(all, repoProblems(&b.in)...)
	told := map[string]bool{} // workloads that something is told of
	for i := range b.in.Blocked {
		x := &b.in.Blocked[i]
		if x.Code == reconciler.Waits { // its turn will come
			continue
		}
		all = append(all, blockedProblem(x))
		told[x.Workload] = true
	}
	for i := range s.Nodes {
		// One that is only expected has not had the time to be a problem.
		if n := &s.Nodes[i]; n.State != "ready" && n.State != nodeExpected && !closedByOperator(n.State) {
			all = append(all, nodeProblem(n))
		}
	}
	all = append(all, endingProblems(&b.in)...)
	for i := range s.Workloads {
		w := &s.Workloads[i]
		slots := append(b.slotProblems(w), runProblems(w)...)
		all = append(all, rolloutProblems(w, told[w.Name] || len(slots) > 0)...)
		all = append(all, slots...)
	}
	return bounded(all)
}

// commitTextProblems are about a commit's text as a whole: which one is not
// ready yet, and why the newest asks for nothing.
func commitTextProblems(in *Input) (all []Problem) {
	for _, text := range texts(in) {
		if e := text.Evaluating; e != nil {
			all = append(all, Problem{Code: "evaluating", Subject: e.Commit,
				Text: fmt.Sprintf("commit %s%s is being evaluated since %s; until it is, what was in force stays", short(e.Commit), ofRepo(text.Name), e.Since.UTC().Format("15:04:05 UTC")),
				Next: "wait, or see what takes so long: bayplan validate"})
		}
		commit := text.Newest.Revision.Commit
		for _, why := range text.Refused {
			all = append(all, Problem{Code: "spec-invalid", Subject: commit, Text: "commit " + short(commit) + ofRepo(text.Name) + ": " + why,
				Next: "correct it and push; the last good revision stays in force; check with: bayplan validate"})
		}
	}
	return all
}

// teamProblems are the newest text's errors: those of an older one are no
// longer anyone's.
func teamProblems(in *Input) (all []Problem) {
	for _, one := range texts(in) {
		for i := range one.Newest.Teams {
			for _, text := range one.Newest.Teams[i].Errors {
				all = append(all, textProblem(one.Name, cmp.Or(one.Newest.Teams[i].Name, "(root)"), text))
			}
		}
		part := in.Facts.Part(one.Name)
		for _, text := range reconciler.Refused(one.Newest, &part) {
			team, _, _ := strings.Cut(text, ": ")
			all = append(all, textProblem(one.Name, team, text))
		}
	}
	return all
}

func textProblem(repo, team, text string) Problem {
	p := Problem{Code: "spec-invalid", Subject: team, Text: text, Next: "correct the file and push; check with: bayplan validate"}
	switch {
	case reconciler.PastLimit(text):
		p.Code, p.Next = "spec-refused", "ask for less, or for more room in the pool; how they stand: bayplan pool ls"
	case reconciler.Claimed(text):
		p.Code, p.Next = teamTwice, "take it out of one of the two: where its owner removes it, it goes over to the other"
	}
	if repo != "" {
		p.Text = reconciler.RepoName(repo) + ": " + text
	}
	return p
}

const (
	// MaxProblems bounds a Status' problems: nobody reads more, and each watcher
	// is sent all of them at every change.
	MaxProblems = 1000
	// MaxText bounds the text of one, in bytes.
	MaxText = 4 << 10
)

// bounded keeps the first problems and says how many there are beyond them. No
// text is too long for a screen: errors of engines and lists of removals may be
// of any length.
func bounded(all []Problem) []Problem {
	if more := len(all) - (MaxProblems - 1); len(all) > MaxProblems {
		all = append(all[:MaxProblems-1:MaxProblems-1], Problem{Code: "more", Text: fmt.Sprintf("and %d more problems", more),
			Next: "mend those above first; the others show then"})
	}
	for i := range all {
		all[i].Text = cut(all[i].Text, MaxText)
	}
	return all
}

// cut is text in at most n bytes, whole characters, with a mark where it was
// cut.
func cut(text string, n int) string {
	const mark = "…"
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n-len(mark)], "") + mark
}

func commitProblems(r *Revision) []Problem {
	if r.Outcome != reconciler.Held {
		return nil
	}
	text := "commit " + short(r.Commit) + ofRepo(r.Repo) + " is held: " + r.Reason
	if len(r.Removals) > 0 {
		text += ": " + strings.Join(r.Removals, ", ")
	}
	next := "bayplan approve " + short(r.Commit)
	if r.Unplanned {
		next = "have its plan approved, in a pull request or by: bayplan plan --pin; or let it through as it is: " + next
	}
	return []Problem{{Code: "held", Subject: r.Commit, Text: text, Next: next}}
}

func short(commit string) string { return commit[:min(10, len(commit))] }

func blockedProblem(x *reconciler.Blocked) Problem {
	p := Problem{Code: x.Code, Subject: cmp.Or(x.Workload, x.Node), Text: x.Text, Next: x.Next}
	if x.Slot.Workload != "" {
		p.Subject = x.Slot.String()
	}
	return p
}

func nodeProblem(n *Node) Problem {
	p := Problem{Code: "node-" + n.State, Subject: n.Name, Text: n.Name + ": " + n.Reason}
	switch {
	case strings.HasPrefix(n.Reason, refusedText):
		p.Next = "order less of it, or see its agent's log; what it was told before stays in force"
	case n.State == "troubled":
		p.Next = "mend it on the node; bayplan doctor there tells more"
	default:
		p.Next = "see that the node and its agent run and reach the server"
	}
	return p
}

// rolloutProblems tell of a rollout that failed; of one that goes no way back
// only where nothing else tells why.
func rolloutProblems(w *Workload, told bool) []Problem {
	switch {
	case w.State == "reverting" || w.State == "reverted":
		return []Problem{{Code: "rolled-back", Subject: w.Name, Text: w.Name + " went back to the last good digest: " + w.Reason,
			Next: "mend the workload and push, the digest that failed is not tried again; what happened: bayplan events " + w.Name}}
	case w.State == "failed" && !told:
		return []Problem{{Code: "rollout-failed", Subject: w.Name, Text: w.Name + ": " + w.Reason, Next: rolloutNext(w)}}
	}
	return nil
}

func rolloutNext(w *Workload) string {
	if len(w.Runs) > 0 {
		return runNext(w)
	}
	for i := range w.Slots {
		if w.Slots[i].Container != "" && !w.Slots[i].Stopping {
			return "bayplan logs " + w.Slots[i].Slot
		}
	}
	return "bayplan explain " + schema.Slot{Workload: w.Name}.String()
}

// endingProblems tell of instances that are gone and did not come to a good end.
func endingProblems(in *Input) (all []Problem) {
	for i := range in.Observed.Nodes {
		r := &in.Observed.Nodes[i].Report
		for k := range r.Endings {
			e := &r.Endings[k]
			all = append(all, Problem{Code: string(e.Failure.Code), Subject: e.Slot.String(), Text: endingText(r.Node.Name, e),
				Next: "do by hand what it was to do, if it is needed (this is told for an hour): bayplan events " + e.Slot.String()})
		}
	}
	return all
}

func endingText(node string, e *nodes.Ending) string {
	text := fmt.Sprintf("%s on %s ended, and its post-stop failed: %s", e.Slot, node, e.Failure.Text)
	if words := strings.Split(e.Failure.Log, "\n"); e.Failure.Log != "" {
		text += "; it wrote: " + words[len(words)-1]
	}
	return nodes.CutText(text)
}

// slotProblems tell of each slot that is not well, unless its node is told of
// for the same cause.
func (b *builder) slotProblems(w *Workload) (all []Problem) {
	for i := range w.Slots {
		s := &w.Slots[i]
		well := s.Phase == nodes.Running && (s.Health == nodes.Healthy || s.Health == nodes.NoCheck) &&
			(s.Failure == nil || s.Failure.Code != nodes.VolumeFull)
		ended := len(w.Runs) > 0 && s.Phase == nodes.Stopped // its run tells of it
		if s.Failure == nil || s.Stopping || well || ended || s.Failure.Code == nodes.EngineDown && b.nodeTold(s.Node) {
			continue
		}
		text := fmt.Sprintf("%s on %s: %s", s.Slot, s.Node, s.Failure.Text)
		if s.Failure.Count > 1 {
			text += fmt.Sprintf(" (%d times in a row)", s.Failure.Count)
		}
		all = append(all, Problem{Code: string(s.Failure.Code), Subject: s.Slot, Text: text, Next: failureNext(s)})
	}
	return all
}

// nodeTold is whether the node itself is told of as a problem, or is not known.
func (b *builder) nodeTold(name string) bool {
	at, known := slices.BinarySearchFunc(b.nodes, name, func(n Node, name string) int { return strings.Compare(n.Name, name) })
	return !known || b.nodes[at].State != "ready" && !closedByOperator(b.nodes[at].State)
}

// failureNext is what to do about a slot's failure.
func failureNext(s *Slot) string {
	switch s.Failure.Code {
	case nodes.ImageNotFound:
		return "correct the image's name or tag, or push the image"
	case nodes.ImageUnauthorized:
		return "give node " + s.Node + " the registry's password (docker login there, or its agent's --registry-auth)"
	case nodes.RegistryUnreachable, nodes.PullFailed:
		return "see that node " + s.Node + " reaches the registry; it is tried again by itself"
	case nodes.ArtifactInvalid:
		return "correct the artifact's url or sha256, or what lies there"
	case nodes.ArtifactUnreachable:
		return "see that node " + s.Node + " reaches the artifact's url; it is tried again by itself"
	case nodes.PortInUse:
		return "free the port on node " + s.Node + ", or let the scheduler choose one"
	case nodes.CommandNotFound:
		return "correct the workload's command, or its image"
	case nodes.OOMKilled:
		return "raise resources.limit.memory"
	case nodes.LeaseExpired:
		return "it starts again by itself; see why node " + s.Node + " did not reach the server: bayplan events"
	case nodes.VolumeFull:
		return "raise the volume's size, or remove what it holds: bayplan exec " + s.Slot + " -- …"
	case nodes.EngineDown, nodes.DiskFull, nodes.VolumeUnavailable:
		return "mend it on node " + s.Node
	}
	if s.Container == "" {
		return "bayplan explain " + s.Slot
	}
	if s.Failure.Part != "" {
		return "bayplan logs " + s.Slot + " -c " + s.Failure.Part
	}
	return "bayplan logs " + s.Slot
}
