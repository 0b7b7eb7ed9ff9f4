package source

import (
	"encoding/json"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
)

// state is the little that is kept beside the objects. Losing it costs one
// fetch from the remote.
type state struct {
	Remote string `json:"remote"`
	Branch string `json:"branch"`
	Root   string `json:"root"`
	// Accepted is the last commit that was found whole and had files.
	Accepted string `json:"accepted"`
	// Fetched is the last commit that was brought, accepted or not: where a
	// fetch may start from.
	Fetched string `json:"fetched"`
}

// readState reads the state if it is about the same remote, branch and root.
func readState(path string, want state) state {
	var got state
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &got) != nil {
		return want
	}
	if got.Remote != want.Remote || got.Branch != want.Branch || got.Root != want.Root {
		return want
	}
	return got
}

// write replaces the file in one step.
func (st state) write(path string) error {
	data, err := json.MarshalIndent(st, "", "\t")
	if err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// haves are the commits to start a fetch from.
func (st state) haves() []plumbing.Hash {
	var out []plumbing.Hash
	for _, h := range []string{st.Fetched, st.Accepted} {
		if h != "" {
			out = append(out, plumbing.NewHash(h))
		}
	}
	return out
}
