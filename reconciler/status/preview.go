package status

import "github.com/bayplan/bayplan/schema"

// Preview is what a tree would change on the running cluster: the answer of
// `bayplan plan`.
type Preview struct {
	Schema string `json:"schema"`
	// Against is the commit that is in force now.
	Against string `json:"against"`
	// Changes are sorted by workload.
	Changes []PreviewChange `json:"changes"`
	// Unplaced is what would find no place, with why.
	Unplaced []PreviewUnplaced `json:"unplaced"`
	// Held is why the commit would be held; empty when it would not.
	Held string `json:"held,omitempty"`
}

// PreviewChange is what would become of one workload.
type PreviewChange struct {
	Workload string `json:"workload"`
	// Action is "create", "update", "scale", "settings" (no container changes)
	// or "remove".
	Action string        `json:"action"`
	From   schema.Digest `json:"from,omitempty"`
	To     schema.Digest `json:"to,omitempty"`
	// Fields are the paths that differ, with both values, sorted.
	Fields []FieldChange `json:"fields,omitempty"`
	// Slots are where its slots would be in the end, sorted.
	Slots []PreviewSlot `json:"slots,omitempty"`
	// Strategy tells the way in words: "rolling, 1 at a time beside the old".
	Strategy string `json:"strategy,omitempty"`
}

// FieldChange is one field that differs; an absent value is "".
type FieldChange struct {
	Path string `json:"path"`
	From string `json:"from"`
	To   string `json:"to"`
}

// PreviewSlot is where a slot would be: From is empty for a new one, To for one
// that goes, both are equal for one that stays.
type PreviewSlot struct {
	Slot  string         `json:"slot"`
	From  string         `json:"from,omitempty"`
	To    string         `json:"to,omitempty"`
	Ports map[string]int `json:"ports,omitempty"`
	Score int            `json:"score,omitempty"`
}

// PreviewUnplaced is a slot that would find no place.
type PreviewUnplaced struct {
	Slot string   `json:"slot"`
	Text string   `json:"text"`
	Why  []string `json:"why"`
}

// Explanation is why a slot is where it is, or why it is nowhere: the answer of
// `bayplan explain`.
type Explanation struct {
	Schema string `json:"schema"`
	Slot   string `json:"slot"`
	// Text is the answer in one sentence; Lines are its reasons.
	Text  string   `json:"text"`
	Lines []string `json:"lines"`
	Next  string   `json:"next,omitempty"`
	// Instances are what the slot has now.
	Instances []Slot `json:"instances"`
	// Events are its newest ones, oldest first.
	Events []Event `json:"events"`
}
