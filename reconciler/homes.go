package reconciler

import (
	"time"

	"github.com/bayplan/bayplan/schema"
)

// VolumeFact is a slot's home: the node that holds its volumes, or where a
// stateful slot without any has its place.
type VolumeFact struct {
	Slot schema.Slot `json:"slot"`
	Node string      `json:"node"`
	// Since is when the slot was first placed there.
	Since time.Time `json:"since"`
	// Bare is whether the slot has no volumes: nothing is lost with its home.
	Bare bool `json:"bare,omitempty"`
	// Holds are the slot's own volumes by name, with the size that each is to be
	// bounded to; zero is no bound.
	Holds map[string]schema.Bytes `json:"holds,omitempty"`
	// Ports are the host ports by name that were chosen for a stateful slot there.
	Ports map[string]int `json:"ports,omitempty"`
	// Fresh is whether nothing of the slot was ever ordered there: a home that was
	// found and not come to, with which nothing is lost.
	Fresh bool `json:"fresh,omitempty"`
	// Up is whether a stateful slot has been healthy there since it was last
	// wanted.
	Up bool `json:"up,omitempty"`
	// From is the home that it has left for this one after it was healthy there, until
	// it is here.
	From string `json:"from,omitempty"`
	// Retired is since when the slot is not wanted there any more; zero while it is.
	Retired time.Time `json:"retired,omitzero"`
	// Retain is for how long after Retired the volumes are kept; zero is until
	// somebody has them deleted.
	Retain schema.Duration `json:"retain,omitempty"`
	// Deleting is who has the volumes deleted; nil while they are kept.
	Deleting *Deleting `json:"deleting,omitempty"`
}

// Deleting is the record of a decision to delete a slot's volumes.
type Deleting struct {
	// Actor is an operator, or RetainActor.
	Actor string    `json:"actor"`
	At    time.Time `json:"at"`
}

// RetainActor deletes what was kept for as long as its workload said.
const RetainActor = "retain"
