package doctor

import (
	"errors"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/node"
)

// Policy reads the file of what this machine refuses to run as its agent does.
func Policy(file string) Finding {
	const check = "policy"
	p, err := node.ReadPolicy(file)
	if err != nil {
		next := "see that the file is there and may be read"
		if _, is := errors.AsType[*exit.Error](err); is {
			next = "correct the file: with this one the agent does not start"
		}
		return Finding{check, Fail, strings.ReplaceAll(err.Error(), "\n", "; "), next}
	}
	var rules []string
	for _, r := range p.Rules {
		rules = append(rules, strings.Join(append([]string{r.Word}, r.Args...), " "))
	}
	return Finding{check, OK, "what this machine runs is held to: " + strings.Join(rules, "; "), ""}
}
