package schema

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MachinePolicy is what the operator of one machine has it refuse to run, whatever
// the server says: the last layer, behind the repository's policy and the server's
// grants. Each rule must hold.
type MachinePolicy struct {
	// File is where the rules stand.
	File  string
	Rules []MachineRule
}

// MachineRule is one line of a policy: a word, and what is allowed by it.
type MachineRule struct {
	Line int
	// Word is "privileges", "registries", "teams", "cpu" or "memory".
	Word string
	Args []string

	grants Grants
	cpu    CPU
	memory Bytes
}

// PolicyAttribute is the attribute of a node that has its policy, as String writes
// it: the server places nothing where it is refused.
const PolicyAttribute = "policy"

// machineRules are the words with what each wants, for people.
var machineRules = map[string]string{
	"privileges": `those of --allow, such as "host-network devices=infra/", or nothing for none`,
	"registries": `registries or parts of them, such as "registry.example/shop docker.io/library"`,
	"teams":      `paths of teams, such as "shop/ infra/"`,
	"cpu":        `one amount, such as "2" or "500m": the most that a slot may ask for or be limited to`,
	"memory":     `one amount, such as "4Gi": the most that a slot may ask for or be limited to`,
}

// ReadMachinePolicy reads a file of rules, one a line: a word and what it allows,
// set apart by spaces. From # on a line is a comment. The error has every line that
// is wrong.
func ReadMachinePolicy(file string, text []byte) (p MachinePolicy, err error) {
	p.File = strings.ReplaceAll(file, ruleEnd, "_")
	var errs []error
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		r, err := newMachineRule(n, f[0], f[1:])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, n, err))
			continue
		}
		p.Rules = append(p.Rules, r)
	}
	if len(p.Rules)+len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s: it has no rules: want lines such as \"registries registry.example\"", file))
	}
	return p, errors.Join(errs...)
}

func newMachineRule(line int, word string, args []string) (r MachineRule, err error) {
	r = MachineRule{Line: line, Word: word, Args: args}
	want, known := machineRules[word]
	switch {
	case !known:
		return r, fmt.Errorf("%q is no rule: want privileges, registries, teams, cpu or memory", word)
	case word != "privileges" && len(args) == 0, (word == "cpu" || word == "memory") && len(args) != 1:
		return r, fmt.Errorf("%s: want %s", word, want)
	}
	switch word {
	case "privileges":
		r.grants, err = ParseGrants(args)
	case "registries":
		err = errors.Join(problems((&Owner{Path: EveryTeam, Registries: args}).Check())...)
	case "teams":
		if at := slices.IndexFunc(args, func(path string) bool { return !validOwned(path) }); at >= 0 {
			err = fmt.Errorf("teams: %q is no path: want %s", args[at], want)
		}
	case "cpu":
		r.cpu, err = ParseCPU(args[0])
	case "memory":
		r.memory, err = ParseBytes(args[0])
	}
	return r, err
}

func problems(all []Problem) (errs []error) {
	for _, p := range all {
		errs = append(errs, errors.New(p.Message))
	}
	return errs
}

// ruleEnd sets rules apart in one line.
const ruleEnd = "; "

// String is the policy in one line, as a node tells it.
func (p *MachinePolicy) String() string {
	parts := []string{p.File}
	for _, r := range p.Rules {
		parts = append(parts, strings.Join(append([]string{strconv.Itoa(r.Line), r.Word}, r.Args...), " "))
	}
	return strings.Join(parts, ruleEnd)
}

// ParseMachinePolicy reads what String writes. A rule that this version does not
// know is left out: the machine refuses by it all the same. ok is whether any is
// left.
func ParseMachinePolicy(text string) (p MachinePolicy, ok bool) {
	parts := strings.Split(text, ruleEnd)
	p.File = parts[0]
	for _, part := range parts[1:] {
		f := strings.Fields(part)
		if len(f) < 2 {
			continue
		}
		line, err := strconv.Atoi(f[0])
		if err != nil {
			continue
		}
		if r, err := newMachineRule(line, f[1], f[2:]); err == nil {
			p.Rules = append(p.Rules, r)
		}
	}
	return p, len(p.Rules) > 0
}

// Refuses is why the machine does not run a workload, "FILE:LINE: …"; "" where it
// does.
func (p *MachinePolicy) Refuses(w *Workload) string {
	for i := range p.Rules {
		if why := p.Rules[i].refuses(w); why != "" {
			return fmt.Sprintf("%s:%d: %s", p.File, p.Rules[i].Line, why)
		}
	}
	return ""
}

func (r *MachineRule) refuses(w *Workload) string {
	switch r.Word {
	case "privileges":
		for _, c := range w.Claims() {
			if !r.grants.Allow(c.Privilege, w.Name) {
				return fmt.Sprintf("it asks for %s (%s)", c.Privilege, strings.Join(c.Path, "."))
			}
		}
	case "registries":
		for _, o := range w.Origins() {
			if !slices.ContainsFunc(r.Args, func(registry string) bool { return within(o.Name, registry) }) {
				return fmt.Sprintf("images and artifacts from %s only, got %s", choice(r.Args), o.Name)
			}
		}
	case "teams":
		if !slices.ContainsFunc(r.Args, func(path string) bool { return owns(path, w.Name) }) {
			return "workloads of teams under " + choice(r.Args) + " only"
		}
	case "cpu":
		if most := max(w.Resources.CPU, w.Resources.Limit.CPU); most > r.cpu {
			return fmt.Sprintf("at most %s cpu for a slot, it asks for %s", r.cpu, most)
		}
	case "memory":
		if most := max(w.Resources.Memory, w.Resources.Limit.Memory); most > r.memory {
			return fmt.Sprintf("at most %s memory for a slot, it asks for %s", r.memory.Human(), most.Human())
		}
	}
	return ""
}
