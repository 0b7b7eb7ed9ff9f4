// Package sim plays whole clusters in one goroutine, on a clock of its own, from one
// seed, and holds all that happens against what is always true.
//
// What decides is the product's own code: reconciler.Reconcile and Grant (and with
// them scheduler.Place), agent.Step, Admit and Renewed, both ends of nodes/dialogue,
// nodes/roster on the simulated clock, and status.Happened. What is played is what
// surrounds them, each part a file:
//
//	server.go    a run of the server, as reconciler/loop and the sessions of
//	             nodes/wire go about it: decide, record, order
//	ledger.go    one writer by its epoch; writes that fail, that take effect and are
//	             not answered, and servers that die before or after one
//	machine.go   a node: clocks that run 2 % wrong, are set and stand still, a disk,
//	             power
//	proc.go      a run of an agent, as the shells of nodes/agent and nodes/wire go
//	             about it
//	engine.go    containers, pulls, starts, stops and checks as they really are
//	link.go      connections that arrive late, one way only, or not at all
//	repo.go      the branch; workloads.go what teams write; program.go how their
//	             programs behave
//	faults.go    all that can happen from outside, in one table
//	truth.go     what must hold after every event, on the machines and in the ledger
//	oracle.go    what must hold once no more faults come (I8, I17, I34)
//
// # What a seed is
//
// [Draw] makes a [Scenario] of it: a size, the kinds of workloads, and a list of
// faults, for which it draws a subset of the kinds and a rate for each (a swarm).
// Everything else draws from streams of chance of its own (World.luck), so that a
// scenario with fewer faults is much the same history: [Shrink] looks for the fewest
// that still show a violation. Two runs of a scenario have one [Result.Sum].
//
// # What is not played
//
// A jump of the server's own wall clock: its instants are read on one clock, where
// Go's carry two. A second leader is there for as long as it takes the first one to
// notice, up to 9 s, and both are one process's worth of code: there is no etcd. Signatures,
// enrolment and certificates, consoles, secrets and the API are not there; nor is a
// commit's way through CUE. Runbook steps always pass.
//
// Nothing is remembered of a real server's inputs to be played here.
//
//	make sim SEEDS=1:+1000
package sim
