package ledger

import (
	"strconv"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// The keys of the facts, below factsKey.
const (
	factsKey       = "facts/"
	headKey        = factsKey + "head"
	approvalsKey   = factsKey + "approvals"
	plansKey       = factsKey + "plans"
	enrolmentsKey  = factsKey + "enrolments"
	volumesKey     = factsKey + "volumes"
	specKey        = factsKey + "spec/"
	textKey        = factsKey + "workloads/"
	partKey        = factsKey + "parts/"
	rolloutKey     = factsKey + "rollouts/"
	jobKey         = factsKey + "jobs/"
	commitKey      = factsKey + "commits/"
	endsKey        = factsKey + "ends/"
	nodeKey        = factsKey + "nodes/"
	assignmentKey  = factsKey + "assignments/"
	journalKey     = factsKey + "journal/"
	journalDoneKey = factsKey + "journal/ready"
)

// The layout's versions; a reader refuses one that it does not know.
const (
	// oneRepo is how the facts of a cluster with one repository are kept, so that
	// an older server can go on with them.
	oneRepo = 1
	// manyRepos has teams of several repositories: a server that knows of one only
	// would take the work of the others for removed.
	manyRepos = 2
	// format is the newest that this one reads.
	format = manyRepos
)

// headDoc is what the facts hold once. It is there as soon as anything is.
type headDoc struct {
	Format int `json:"format"`
	// Rest are the facts without all that has keys of its own, so that a field
	// that they get later is kept, too.
	Rest reconciler.Facts `json:"rest"`
	// Commits are the keys of the commits, oldest first.
	Commits []string `json:"commits,omitempty"`
}

// teamDoc is what a team asks for: the hashes of its workloads' texts.
type teamDoc struct {
	Workloads []string `json:"workloads"`
}

// rolloutDoc is a rollout whose texts are hashes; empty is none.
type rolloutDoc struct {
	reconciler.Rollout
	Want   string `json:"want,omitempty"`
	Good   string `json:"good,omitempty"`
	Before string `json:"before,omitempty"`
}

// runDoc is a run whose Work is a hash.
type runDoc struct {
	reconciler.Run
	Work string `json:"work,omitempty"`
}

// jobDoc is a job with such runs.
type jobDoc struct {
	reconciler.JobFact
	Runs []runDoc `json:"runs,omitempty"`
}

// orderDoc is an order whose Workload is a hash; empty is none.
type orderDoc struct {
	nodes.Order
	Workload string `json:"workload,omitempty"`
}

// assignmentDoc is an assignment with such orders.
type assignmentDoc struct {
	nodes.Assignment
	Orders []orderDoc `json:"orders,omitempty"`
}

// nodeDoc is a node without its assignment.
type nodeDoc struct {
	reconciler.NodeFact
	Assignment *struct{} `json:"assignment,omitempty"`
}

// namedTeam is one team's part of a Spec.
type namedTeam struct {
	name      string
	workloads []*schema.Workload
}

// byTeam groups a Spec's workloads by team, sorted by team. A team without any
// is not among them: the head knows it.
func byTeam(workloads []schema.Workload) []namedTeam {
	groups := map[string][]*schema.Workload{}
	for i := range workloads {
		w := &workloads[i]
		groups[w.Team()] = append(groups[w.Team()], w)
	}
	teams := make([]namedTeam, 0, len(groups))
	for _, name := range sortedKeys(groups) {
		teams = append(teams, namedTeam{name, groups[name]})
	}
	return teams
}

// namedCommit is a commit with the key that it is stored under.
type namedCommit struct {
	key    string
	commit *reconciler.Commit
}

// byKey gives every commit its key: the hash, and a number where the same
// commit came up more than once. In the order of the commits.
func byKey(commits []reconciler.Commit) []namedCommit {
	seen := map[string]int{}
	named := make([]namedCommit, len(commits))
	for i := range commits {
		hash := commits[i].Revision.Commit
		seen[hash]++
		named[i] = namedCommit{hash, &commits[i]}
		if n := seen[hash]; n > 1 {
			named[i].key = hash + "~" + strconv.Itoa(n)
		}
	}
	return named
}

// headOf is the head of these facts.
func headOf(f *reconciler.Facts) headDoc {
	head := headDoc{Format: oneRepo, Rest: *f}
	if len(f.Repos) > 0 {
		head.Format = manyRepos
	}
	rest := &head.Rest
	rest.Spec.Workloads, rest.Commits, rest.Rollouts, rest.Nodes = nil, nil, nil, nil
	rest.Approvals, rest.Plans = nil, nil
	rest.Volumes, rest.Enrolments, rest.Jobs, rest.Ends = nil, nil, nil, nil
	for _, c := range byKey(f.Commits) {
		head.Commits = append(head.Commits, c.key)
	}
	return head
}
