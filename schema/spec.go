package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Revision is one commit of the repository.
type Revision struct {
	// Commit is the full hash in hex; empty is "no commit yet".
	Commit  string    `json:"commit"`
	Time    time.Time `json:"time"`
	Author  string    `json:"author"`
	Subject string    `json:"subject"`
	// Body is the message below the subject, where trailers stand.
	Body string `json:"body,omitempty"`
}

// Short is the first 10 digits of the commit.
func (r Revision) Short() string { return r.Commit[:min(10, len(r.Commit))] }

// Trailer is the value of the last "Key: value" line of the message, or "".
func (r Revision) Trailer(key string) string {
	value := ""
	for line := range strings.Lines(r.Body) {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(strings.TrimSpace(k), key) {
			value = strings.TrimSpace(v)
		}
	}
	return value
}

// Spec is all that one revision asks for.
type Spec struct {
	Revision Revision `json:"revision"`
	// Teams are the directories that hold workloads, sorted by name and repository.
	Teams []Team `json:"teams"`
	// Workloads are sorted by name; names are unique.
	Workloads []Workload `json:"workloads"`
	// Pools are the shares that the nodes are divided into, sorted by name.
	Pools []Pool `json:"pools,omitempty"`
	// Registries are how images are reached, sorted by name.
	Registries []Registry `json:"registries,omitempty"`
	// Owners bound what teams may ask for, sorted by path.
	Owners []Owner `json:"owners,omitempty"`
	// Gates are what commits must pass.
	Gates Gates `json:"gates,omitzero"`
	// Hash is set by Seal: equal Specs have equal hashes.
	Hash string `json:"hash,omitempty"`
}

// Seal sets Hash from everything else.
func (s *Spec) Seal() {
	s.Hash = ""
	b, err := json.Marshal(s)
	if err != nil {
		panic("schema: a spec is always JSON: " + err.Error())
	}
	sum := sha256.Sum256(b)
	s.Hash = hex.EncodeToString(sum[:])
}

// Team is one directory of the repository: the unit that a commit is applied
// to as a whole or not at all.
type Team struct {
	Name string `json:"name"`
	// Repo is the repository that it is of; empty is the operators'.
	Repo string `json:"repo,omitempty"`
	// Commit is the revision whose text is in force for this team: older than
	// the Spec's where the newest text did not evaluate.
	Commit string `json:"commit"`
	// Errors are why the newest text is not in force, one a line,
	// "file:line:col: message"; empty when it is.
	Errors []string `json:"errors,omitempty"`
}

// Workload finds one by name; nil if the Spec has none of it.
func (s *Spec) Workload(name string) *Workload {
	// By index: a Workload is large, and slices.BinarySearchFunc copies those it asks.
	i, ok := sort.Find(len(s.Workloads), func(i int) int { return strings.Compare(name, s.Workloads[i].Name) })
	if !ok {
		return nil
	}
	return &s.Workloads[i]
}

// SortWorkloads sorts them by name. They are large, and most often sorted already.
func SortWorkloads(all []Workload) {
	less := func(a, b int) bool { return all[a].Name < all[b].Name }
	if !sort.SliceIsSorted(all, less) {
		sort.Slice(all, less)
	}
}

// Slot is the lasting identity of one replica: a workload and an index.
type Slot struct {
	Workload string
	Index    int
}

// String is "team/name.0".
func (s Slot) String() string { return s.Workload + "." + strconv.Itoa(s.Index) }

// ParseSlot reads what String writes.
func ParseSlot(text string) (Slot, bool) {
	i := strings.LastIndexByte(text, '.')
	if i <= 0 {
		return Slot{}, false
	}
	n, err := strconv.Atoi(text[i+1:])
	if err != nil || n < 0 || strconv.Itoa(n) != text[i+1:] {
		return Slot{}, false
	}
	return Slot{text[:i], n}, true
}

// Host is the slot's name for its fellows, "name-0": a label of the domain name
// system, so that a longer name is cut.
func (s Slot) Host() string {
	const longest = 63
	ordinal := "-" + strconv.Itoa(s.Index)
	name := s.Workload[strings.LastIndexByte(s.Workload, '/')+1:]
	return strings.Trim(name[:min(len(name), longest-len(ordinal))], "-") + ordinal
}

// Compare orders slots by workload, then index.
func (s Slot) Compare(t Slot) int {
	if c := strings.Compare(s.Workload, t.Workload); c != 0 {
		return c
	}
	return s.Index - t.Index
}

// MarshalText writes String.
func (s Slot) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads String's form.
func (s *Slot) UnmarshalText(b []byte) error {
	v, ok := ParseSlot(string(b))
	if !ok && len(b) > 0 {
		return &SlotError{string(b)}
	}
	*s = v
	return nil
}

// SlotError is a text that names no slot.
type SlotError struct{ Text string }

func (e *SlotError) Error() string {
	return strconv.Quote(e.Text) + " is no slot: want team/name.0"
}
