// Package registries is how image registries are reached: by which mirrors, with
// or without TLS, with whose password. Nodes and server share it, so that the
// digest that the server finds and the image that a node pulls come the same way.
//
// What holds for the whole cluster stands in its repository
// ([schema.Registry]); what a machine was told by its own flags comes first.
// Passwords are never in the repository: they come from a docker config file on
// the machine.
package registries
