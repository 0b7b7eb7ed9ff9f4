package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// receive reads a result that another process made, or that lay on disk. What the
// schema promises of a workload is checked again as far as Go says it, and all
// that the rest of the loader relies on: an answer that was forged is an error
// and never a panic, nor another team's workload.
func (p Package) receive(answer []byte) (r result, err error) {
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return result{}, err
	}
	if err := p.check(&r); err != nil {
		return result{}, err
	}
	return r, nil
}

func (p Package) check(r *result) error {
	root := p.Dir == p.operatorsRoot()
	switch {
	case !root && (len(r.Pools) > 0 || len(r.Registries) > 0 || len(r.Owners) > 0 || r.Gates != schema.Gates{} || r.Policy):
		return errors.New("a team speaks for the cluster")
	case root && len(r.Workloads) > 0:
		return errors.New("the root has workloads")
	case r.Broken && len(r.Errors) == 0:
		return errors.New("it is broken for no reason")
	case len(r.Errors) > 0 && len(r.Workloads) > 0:
		return errors.New("it has errors, and workloads")
	case len(r.Belongs) != len(r.Workloads):
		return errors.New("pools and workloads are not as many")
	case p.Bare && len(r.Said) != len(r.Workloads), !p.Bare && len(r.Said) > 0:
		return errors.New("workloads and what they say are not as many")
	case p.Judge == nil && r.Objected:
		return errors.New("there was nothing to object to")
	case len(r.Owners) != len(r.OwnersAt):
		return errors.New("owners and their places are not as many")
	}
	for _, check := range []func(*result) error{p.checkErrors, p.checkWorkloads, p.checkSaid, p.checkWaits, checkCluster} {
		if err := check(r); err != nil {
			return err
		}
	}
	return nil
}

// maxText is how long any text about a package may be.
const maxText = 64 << 10

func (p Package) checkErrors(r *result) error {
	if len(r.Errors) > maxErrors {
		return fmt.Errorf("%d errors", len(r.Errors))
	}
	for _, e := range r.Errors {
		if e == nil || e.Team != p.team() || e.Message == "" || !fs.ValidPath(e.File) || e.Line < 0 || e.Col < 0 {
			return errors.New("an error without a place")
		}
		if len(e.File)+len(e.Path)+len(e.Message)+len(e.Next) > maxText {
			return errors.New("an error that is too long")
		}
	}
	return nil
}

func (p Package) checkWorkloads(r *result) error {
	if len(r.Workloads) > p.Limits.PackageWorkloads {
		return fmt.Errorf("%d workloads", len(r.Workloads))
	}
	names := map[string]bool{}
	for i := range r.Workloads {
		w, b := &r.Workloads[i], &r.Belongs[i]
		name, mine := strings.CutPrefix(w.Name, p.team()+"/")
		switch {
		case !mine || !schema.ValidName(name) || names[name]:
			return fmt.Errorf("workload %.100q is not this team's", w.Name)
		case rules().kinds[string(w.Kind)] == nil:
			return fmt.Errorf("workload %s is of kind %.100q", w.Name, w.Kind)
		case b.Pool != w.Pool || w.Pool == "":
			return fmt.Errorf("workload %s is of no pool", w.Name)
		case w.Replicas < 0 || w.Replicas > maxReplicas:
			return fmt.Errorf("workload %s has %d replicas", w.Name, w.Replicas)
		}
		if found := w.Check(); len(found) > 0 {
			return fmt.Errorf("workload %s: %s: %.1000s", w.Name, dotted(found[0].Path), found[0].Message)
		}
		names[name] = true
	}
	return nil
}

// checkSaid looks that what workloads say is told of those alone that there are.
func (p Package) checkSaid(r *result) error {
	for i := range r.Said {
		s := &r.Said[i]
		if p.team()+"/"+s.Name != r.Workloads[i].Name || s.Kind != r.Workloads[i].Kind || !json.Valid(s.Data) {
			return fmt.Errorf("%.100q says nothing of its own", s.Name)
		}
	}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		if p.Judge != nil && !slices.ContainsFunc(p.Judge, func(s Statement) bool { return p.team()+"/"+s.Name == w.Name && s.Kind == w.Kind }) {
			return fmt.Errorf("workload %s was not asked about", w.Name)
		}
	}
	return nil
}

// maxReplicas is the schema's own bound (#Replicas), which no check in Go has.
const maxReplicas = 10_000

// checkWaits looks that what comes after others is a workload of the package.
func (p Package) checkWaits(r *result) error {
	after := map[string]int{}
	for i := range r.Workloads {
		after[r.Workloads[i].Name] = len(r.Workloads[i].After)
	}
	for _, w := range r.Waits {
		if after[w.Workload]--; after[w.Workload] < 0 {
			return fmt.Errorf("%.100q waits for nothing", w.Workload)
		}
	}
	return nil
}

func checkCluster(r *result) error {
	for name, found := range schema.CheckPools(r.Pools) {
		if len(found) > 0 {
			return fmt.Errorf("pool %.100q: %.1000s", name, found[0].Message)
		}
	}
	for i := range r.Pools {
		if !schema.ValidName(r.Pools[i].Name) {
			return fmt.Errorf("pool %.100q has no name", r.Pools[i].Name)
		}
	}
	for i := range r.Owners {
		if found := r.Owners[i].Check(); len(found) > 0 {
			return fmt.Errorf("owner %.100q: %.1000s", r.Owners[i].Path, found[0].Message)
		}
	}
	for i := range r.Registries {
		if found := r.Registries[i].Check(); len(found) > 0 {
			return fmt.Errorf("registry %.100q: %.1000s", r.Registries[i].Name, found[0].Message)
		}
	}
	return nil
}
