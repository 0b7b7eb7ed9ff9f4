package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Privilege is something that a workload may ask for and that reaches beyond its
// own container. No text in the repository grants one: the operators of the
// server do, by its flags.
//
// More than these there is not: no text can ask for a privileged container, added
// capabilities, another namespace of the machine, a path of it or its engine's
// socket, since the schema has no words for them.
type Privilege string

// The privileges.
const (
	// HostNetwork is `network: "host"`: the machine's own network namespace.
	HostNetwork Privilege = "host-network"
	// HostVolumes are volumes with `host`: folders of the machine that its
	// operator declared.
	HostVolumes Privilege = "host-volumes"
	// Devices are `resources: devices`.
	Devices Privilege = "devices"
)

// Privileges are all of them.
var Privileges = []Privilege{Devices, HostNetwork, HostVolumes}

// Claim is a privilege that a workload asks for, and by which field.
type Claim struct {
	Privilege Privilege
	Path      []string
}

// Claims are what the workload asks for, in a fixed order.
func (w *Workload) Claims() (all []Claim) {
	if w.Network == Host {
		all = append(all, Claim{HostNetwork, []string{"network"}})
	}
	for _, name := range slices.Sorted(maps.Keys(w.Volumes)) {
		if w.Volumes[name].Host != "" {
			all = append(all, Claim{HostVolumes, []string{"volumes", name, "host"}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Resources.Devices)) {
		all = append(all, Claim{Devices, []string{"resources", "devices", name}})
	}
	return all
}

// Grant opens a privilege to the teams under a path; "/" is all.
type Grant struct {
	Privilege Privilege
	Path      string
}

// Grants are what the operators of a server allow; nil allows nothing.
type Grants []Grant

// AllGrants allow everything to everybody.
func AllGrants() (all Grants) {
	for _, p := range Privileges {
		all = append(all, Grant{p, EveryTeam})
	}
	return all
}

// ParseGrants reads what String writes of each: "host-network" or
// "host-network=infra/".
func ParseGrants(texts []string) (all Grants, err error) {
	for _, text := range texts {
		name, path, bounded := strings.Cut(text, "=")
		switch {
		case !slices.Contains(Privileges, Privilege(name)):
			return nil, fmt.Errorf("there is no privilege %q, only %s", name, privilegeNames())
		case !bounded:
			path = EveryTeam
		case !validOwned(path):
			return nil, fmt.Errorf("%q: want %s=TEAM/, such as %s=infra/", text, name, name)
		}
		all = append(all, Grant{Privilege(name), path})
	}
	return all, nil
}

func privilegeNames() string {
	names := make([]string, len(Privileges))
	for i, p := range Privileges {
		names[i] = string(p)
	}
	return strings.Join(names, ", ")
}

// String is the grant as the flag --allow takes it.
func (g Grant) String() string {
	if g.Path == EveryTeam {
		return string(g.Privilege)
	}
	return string(g.Privilege) + "=" + g.Path
}

// Allow is whether a workload may have a privilege.
func (all Grants) Allow(p Privilege, workload string) bool {
	return slices.ContainsFunc(all, func(g Grant) bool { return g.Privilege == p && owns(g.Path, workload) })
}

// Denied is why a claim is refused; empty where it is allowed.
func (all Grants) Denied(c Claim, workload string) string {
	if all.Allow(c.Privilege, workload) {
		return ""
	}
	team := (&Workload{Name: workload}).Team()
	return fmt.Sprintf("%s is a privilege that the server does not grant: bayplan server --allow %s", c.Privilege, Grant{c.Privilege, team + "/"})
}
