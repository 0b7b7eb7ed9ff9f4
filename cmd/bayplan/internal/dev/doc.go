// Package dev runs a whole cluster on one machine for a person to play with: a
// server, some agents, a bare Git repository with the sample, and a registry
// with its images. It is the supervisor of child processes that are the same
// binary, and promises three things:
//
//   - A child that dies is started again, so that one may kill any of them and
//     watch. None of them outlives the supervisor, however that ends.
//   - At the end nothing is left running, containers included. A folder that was
//     given is left as it is and can be used again, at the same ports; two
//     supervisors never share one.
//   - Everything that can be done at the same time is, since a person waits.
//
// What the rest of the binary does better comes in by [Config]: asking the
// engine, waiting for a commit's end, removing containers.
package dev
