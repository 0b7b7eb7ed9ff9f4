// Package docker is an [agent.Runtime] on a Docker Engine, from 20.10 (API 1.41)
// on; the API's version is negotiated.
//
// What a container is, it says itself: its labels carry the cluster, the node,
// the instance's ID, slot and digest, so that a new process finds everything
// again by one list, and two nodes on one Engine do not see each other (I9).
// Nothing is kept beside the Engine.
//
// The package never deletes a volume (I18): neither a workload's own, which are
// named volumes of the Engine, nor the nameless ones that an image declares.
//
// An Engine that hangs looks like one that is slow. Each call, however long it
// takes, is therefore attended: while it waits, the Engine is pinged, and a ping
// without an answer ends the call as "engine-down".
package docker
