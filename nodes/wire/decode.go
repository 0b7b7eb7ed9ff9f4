package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/bayplan/bayplan/nodes"
)

// decodeReport reads a report and refuses one that is not of this node or not
// sorted, or over a limit; texts that are too long are cut. A field that this program does not know is left out: the node of a
// newer agent can still be seen.
func decodeReport(b []byte, node string) (nodes.Report, error) {
	var r nodes.Report
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("report: %w", err)
	}
	if r.Node.Name != node {
		return r, fmt.Errorf("report: it is of node %q, the certificate of %q", r.Node.Name, node)
	}
	if err := r.Bound(); err != nil {
		return r, fmt.Errorf("report: %w", err)
	}
	return r, checkInstances("report", r.Instances)
}

// decodeChange is decodeReport's like for a Change.
func decodeChange(b []byte, node string) (nodes.Change, error) {
	var c nodes.Change
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("change: %w", err)
	}
	if c.Node != nil && c.Node.Name != node {
		return c, fmt.Errorf("change: it is of node %q, the certificate of %q", c.Node.Name, node)
	}
	if !slices.IsSorted(c.Gone) {
		return c, errors.New("change: what is gone is not sorted")
	}
	if err := c.Bound(); err != nil {
		return c, fmt.Errorf("change: %w", err)
	}
	return c, checkInstances("change", c.Instances)
}

func checkInstances(what string, list []nodes.Instance) error {
	for k := range list {
		if list[k].ID == "" {
			return fmt.Errorf("%s: an instance has no ID", what)
		}
		if k > 0 && list[k-1].ID >= list[k].ID {
			return fmt.Errorf("%s: instances %q and %q are not in order", what, list[k-1].ID, list[k].ID)
		}
	}
	return nil
}

// decodeAssignment is strict: an agent that does not know a field would run
// half of what was ordered, so it takes over nothing (I37).
func decodeAssignment(b []byte, node string) (nodes.Assignment, error) {
	var a nodes.Assignment
	if err := decodeStrict(b, &a); err != nil {
		return a, unknownToUs(err)
	}
	return a, checkAssignment(&a, node)
}

func unknownToUs(err error) error {
	return fmt.Errorf("assignment: %w (is the agent older than the server? upgrade it)", err)
}

func checkAssignment(a *nodes.Assignment, node string) error {
	if a.Node != node {
		return fmt.Errorf("assignment: it is for node %q, this is %q", a.Node, node)
	}
	for k := range a.Orders {
		o := &a.Orders[k]
		if o.Workload == nil && !o.Stop && (o.Step == nil || o.Step.On == "") {
			return fmt.Errorf("assignment: order %q has no workload", o.ID)
		}
		if k > 0 && a.Orders[k-1].ID > o.ID {
			return fmt.Errorf("assignment: orders %q and %q are not in order", a.Orders[k-1].ID, o.ID)
		}
	}
	return nil
}

func decodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one document")
	}
	return nil
}
