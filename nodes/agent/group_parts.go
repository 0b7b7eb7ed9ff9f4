package agent

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/schema"
)

// A group is what one instance consists of where its workload has parts. Its
// containers are named for it: "ID+main.2", the number being that of the
// sidecars, "ID+init.NAME", "ID+side.NAME" and "ID+post.NAME". All of a group
// have one fate: when one ends that is not to end, the life of the group is
// over. A life begins with the first init container and after the end of the
// former one, which is how it is told from that.

// role is what a container is in its group.
type role string

const (
	onlyPart role = "" // the one of a workload that has no parts
	mainPart role = "main"
	initPart role = "init"
	sidePart role = "side"
	postPart role = "post"
)

var roleWords = map[role]string{initPart: "init ", sidePart: "sidecar ", postPart: "postStop "}

// member is one container of a group.
type member struct {
	role role
	name string
	Status
}

type members []member

// groupOf is the group of a container's ID.
func groupOf(id string) string {
	group, _, _ := strings.Cut(id, "+")
	return group
}

// cutPart splits "ID+NAME", which is one where there is a name.
func cutPart(id string) (group, name string, one bool) { return strings.Cut(id, "+") }

func memberOf(s Status) member {
	_, part, _ := strings.Cut(s.ID, "+")
	kind, name, _ := strings.Cut(part, ".")
	return member{role: role(kind), name: name, Status: s}
}

// together sorts containers into groups, both by ID.
func together(all []Status) []members {
	byGroup := map[string]members{}
	for _, s := range all {
		byGroup[groupOf(s.ID)] = append(byGroup[groupOf(s.ID)], memberOf(s))
	}
	list := make([]members, 0, len(byGroup))
	for _, id := range slices.Sorted(maps.Keys(byGroup)) {
		has := byGroup[id]
		slices.SortFunc(has, func(a, b member) int { return strings.Compare(a.Status.ID, b.Status.ID) })
		list = append(list, has)
	}
	return list
}

func (all members) id() string { return groupOf(all[0].Status.ID) }

// with is the group after a container was started.
func (all members) with(s Status) members {
	next := slices.DeleteFunc(slices.Clone(all), func(m member) bool { return m.Status.ID == s.ID })
	return append(next, memberOf(s))
}

func (all members) find(id string) *member {
	for i := range all {
		if all[i].Status.ID == id {
			return &all[i]
		}
	}
	return nil
}

func (all members) main() *member {
	for i := range all {
		if all[i].role == mainPart || all[i].role == onlyPart {
			return &all[i]
		}
	}
	return nil
}

func (all members) mainID() string {
	if m := all.main(); m != nil {
		return m.Status.ID
	}
	return ""
}

// begun is the ID of the main container, or says which others to ask for while
// they run before it.
func (all members) begun(group string) (string, error) {
	if id := all.mainID(); id != "" || len(all) == 0 {
		return cmp.Or(id, group), nil
	}
	others := slices.DeleteFunc(strings.Split(all.names(), ", "), func(name string) bool { return name == schema.MainPart })
	return "", fmt.Errorf("the main container of %s has not begun, only %s has: choose it with -c", group, strings.Join(others, ", "))
}

// names are those that people know the parts by.
func (all members) names() string {
	list := []string{schema.MainPart}
	for i := range all {
		if all[i].role != mainPart && all[i].role != onlyPart {
			list = append(list, all[i].name)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// ender is the member that ended the newest life that is over; nil while the
// first lasts.
func (all members) ender() (last *member) {
	for i := range all {
		m := &all[i]
		ends := m.role == mainPart || m.role == sidePart || m.role == initPart && (m.ExitCode != 0 || m.OOM)
		if m.State == StateExited && ends && (last == nil || m.end().After(last.end())) {
			last = m
		}
	}
	return last
}

func (m *member) end() time.Time {
	if m.Finished.After(m.Started) {
		return m.Finished
	}
	return m.Started
}

// since is whether the member began after the last life that is over.
func (m *member) since(ender *member) bool { return ender == nil || m.Started.After(ender.end()) }

// status is the group as one container.
func (all members) status() Status {
	if len(all) == 1 && all[0].role == onlyPart {
		return all[0].Status
	}
	ender := all.ender()
	var preparing, prepared, left bool
	beside := 0
	for i := range all {
		m := &all[i]
		fresh := m.since(ender)
		switch {
		case m.role == postPart:
		case m.State == StateRunning && !fresh:
			left = true
		case m.role == initPart && m.State == StateRunning:
			preparing = true
		case m.role == initPart && m.State == StateExited && fresh:
			prepared = true
		case m.role == sidePart && m.State == StateRunning:
			beside++
		}
	}
	main := all.main()
	serves := main != nil && main.State == StateRunning && main.since(ender)
	switch {
	case serves && beside >= main.beside():
		return all.as(main, StateRunning)
	case serves, prepared && !preparing:
		return all.as(main, StateCreated)
	case preparing:
		return all.as(main, StatePreparing)
	case ender != nil:
		s := all.ended(main, ender)
		s.Left = left
		return s
	}
	return all.as(main, StateCreated)
}

// beside is how many sidecars the main container is to have.
func (m *member) beside() int {
	n, err := strconv.Atoi(m.name)
	if err != nil {
		return 0
	}
	return n
}

// as is the main container's status, or what another tells of the group, in a
// state of the group's.
func (all members) as(main *member, state State) Status {
	s := all[0].Status
	if main != nil {
		s = main.Status
	} else {
		s.Ports, s.Address = nil, ""
	}
	s.ID, s.State = all.id(), state
	if state != StateRunning {
		s.Started, s.Finished, s.ExitCode, s.OOM, s.Error, s.Address = time.Time{}, time.Time{}, 0, false, "", ""
		s.Lapsed = false
	}
	return s
}

// ended is the group whose life that member has ended.
func (all members) ended(main, ender *member) Status {
	s := all.as(main, StateExited)
	s.Started, s.Finished, s.ExitCode, s.OOM, s.Error = ender.Started, ender.Finished, ender.ExitCode, ender.OOM, ender.Error
	s.Lapsed = ender.Lapsed
	if ender.role == sidePart && main != nil {
		s.Started = main.Started
	}
	if word := roleWords[ender.role]; word != "" {
		s.Part, s.Error = ender.name, strings.TrimSuffix(word+ender.name+": "+ender.Error, ": ")
	}
	return s
}

// piece is a container to start.
type piece struct {
	role role
	part *schema.Part // nil is the main one
	// beside is how many sidecars there are to be.
	beside int
}

func (p *piece) String() string { return roleWords[p.role] + p.part.Name }

// next is what is to be started now; nil where something is to end first, or
// nothing is missing.
func (all members) next(w *schema.Workload) *piece {
	ender := all.ender()
	for i := range all {
		if m := &all[i]; m.role != postPart && m.State == StateRunning && !m.since(ender) {
			return nil
		}
	}
	main := all.main()
	if main == nil || main.State != StateRunning {
		return all.before(w, ender)
	}
	for i := range w.Sidecars {
		if m := all.of(sidePart, w.Sidecars[i].Name); m == nil || m.State != StateRunning {
			return &piece{role: sidePart, part: &w.Sidecars[i]}
		}
	}
	return nil
}

// before is the next up to the main container.
func (all members) before(w *schema.Workload, ender *member) *piece {
	for i := range w.Init {
		m := all.of(initPart, w.Init[i].Name)
		switch {
		case m == nil || m.State == StateCreated || m.State == StateExited && !m.since(ender):
			return &piece{role: initPart, part: &w.Init[i]}
		case m.State == StateRunning:
			return nil
		}
	}
	return &piece{role: mainPart, beside: len(w.Sidecars)}
}

// last is the post-stop that has still to run; nil where it has, or where there
// was nothing before it.
func (all members) last(w *schema.Workload) *piece {
	ender, m := all.ender(), all.of(postPart, w.PostStop.Name)
	ran := m != nil && m.State == StateExited && (ender == nil || !m.Started.Before(ender.end()))
	if len(all) == 0 || ran {
		return nil
	}
	return &piece{role: postPart, part: &w.PostStop.Part}
}

func (all members) of(r role, name string) *member {
	for i := range all {
		if all[i].role == r && all[i].name == name {
			return &all[i]
		}
	}
	return nil
}

// container is the piece as the runtime below is to run it.
func (p *piece) container(c Container) Container {
	group := c.ID
	main := group + "+" + string(mainPart) + "." + strconv.Itoa(len(c.Workload.Sidecars))
	if p.part == nil {
		c.ID = main
		return c
	}
	c.ID = group + "+" + string(p.role) + "." + p.part.Name
	c.Workload, c.Ports = p.part.Of(c.Workload), nil
	c.Env = maps.Clone(c.Env)
	maps.DeleteFunc(c.Env, func(name, _ string) bool { _, own := p.part.Env[name]; return own })
	if p.role == sidePart && cmp.Or(c.Workload.Network, schema.Bridge) == schema.Bridge {
		c.Join = main
	}
	return c
}
