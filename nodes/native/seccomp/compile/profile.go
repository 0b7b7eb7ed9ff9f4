//go:build linux

// Package compile turns a seccomp profile into the program that the kernel runs
// at each system call.
package compile

import (
	"fmt"
	"maps"
	"slices"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Target is what a profile is resolved for.
type Target struct {
	// Arch is Go's name, Audit the kernel's number of the architecture.
	Arch  string
	Audit uint32
	// Numbers are the system calls by name.
	Numbers map[string]uint32
	// Caps are the capabilities that a container may have.
	Caps []string
}

// Policy is a profile resolved: which rules hold for a system call's number. Where
// none fits it is refused with Refused, and a number above Newest, which the
// profile cannot know, with ENOSYS: so that a program tries the older call.
type Policy struct {
	Audit   uint32
	Rules   map[uint32][]Rule
	Refused uint32
	Newest  uint32
}

// Rule answers a call whose arguments fit every condition.
type Rule struct {
	Action     uint32
	Conditions []specs.LinuxSeccompArg
}

// What a filter may answer, beside an errno.
const (
	kill  = unix.SECCOMP_RET_KILL_PROCESS
	allow = unix.SECCOMP_RET_ALLOW
	errno = unix.SECCOMP_RET_ERRNO
)

// Resolve picks what of the profile holds for the target. The kernel is taken to
// be as new as the profile asks anywhere: all that can run containers are.
func Resolve(p *seccomp.Seccomp, t Target) (Policy, error) {
	refused, err := action(p.DefaultAction, p.DefaultErrnoRet)
	if err != nil {
		return Policy{}, err
	}
	out := Policy{Audit: t.Audit, Rules: map[uint32][]Rule{}, Refused: refused}
	for _, call := range p.Syscalls {
		if call.Name != "" {
			return Policy{}, fmt.Errorf("a rule of the old form, for %s", call.Name)
		}
		if !holds(call, t) {
			continue
		}
		if err := out.add(call, t.Numbers); err != nil {
			return Policy{}, err
		}
	}
	out.Newest = slices.Max(slices.Collect(maps.Keys(out.Rules)))
	return out, out.check()
}

func holds(c *seccomp.Syscall, t Target) bool {
	if in := c.Includes; in != nil {
		if len(in.Arches) > 0 && !slices.Contains(in.Arches, t.Arch) {
			return false
		}
		for _, name := range in.Caps {
			if !slices.Contains(t.Caps, name) {
				return false
			}
		}
	}
	if ex := c.Excludes; ex != nil {
		has := func(name string) bool { return slices.Contains(t.Caps, name) }
		return !slices.Contains(ex.Arches, t.Arch) && !slices.ContainsFunc(ex.Caps, has) && ex.MinKernel == nil
	}
	return true
}

// add leaves out the names that the architecture does not have.
func (p *Policy) add(c *seccomp.Syscall, numbers map[string]uint32) error {
	a, err := action(c.Action, c.ErrnoRet)
	if err != nil {
		return err
	}
	for _, name := range c.Names {
		if n, ok := numbers[name]; ok {
			p.Rules[n] = append(p.Rules[n], Rule{Action: a, Conditions: c.Args})
		}
	}
	return nil
}

// check refuses what would depend on the order of the rules.
func (p *Policy) check() error {
	for n, rules := range p.Rules {
		for _, r := range rules {
			if r.Action != rules[0].Action {
				return fmt.Errorf("system call %d has rules with different answers", n)
			}
		}
	}
	return nil
}

func action(a specs.LinuxSeccompAction, ret *uint) (uint32, error) {
	switch a {
	case specs.ActAllow:
		return allow, nil
	case specs.ActErrno:
		if ret == nil {
			return errno | uint32(unix.EPERM), nil
		}
		return errno | uint32(*ret), nil
	}
	return 0, fmt.Errorf("an answer that is not known: %s", a)
}
