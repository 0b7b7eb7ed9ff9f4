package node

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/schema"
)

// maxPolicy is far above what fits into an attribute of a node.
const maxPolicy = 16 << 10

// ReadPolicy reads what a machine refuses to run; nil for no file. An agent does
// not start with one that it cannot read, since it would run what it should not.
func ReadPolicy(file string) (*schema.MachinePolicy, error) {
	if file == "" {
		return nil, nil
	}
	full, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("--policy: %w", err)
	}
	text, err := os.ReadFile(full)
	if err != nil {
		return nil, fmt.Errorf("--policy: %w", err)
	}
	p, err := schema.ReadMachinePolicy(full, text)
	if err == nil && len(p.String()) > maxPolicy {
		err = fmt.Errorf("%s: its rules take more than %d bytes", full, maxPolicy)
	}
	if err != nil {
		return nil, &exit.Error{Code: exit.Invalid, Err: fmt.Errorf("--policy: %w", err), Next: "correct the file, and check it with: bayplan doctor --policy " + file}
	}
	return &p, nil
}
