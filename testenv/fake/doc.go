// Package fake is an engine in memory: a whole [agent.Runtime] whose programs
// are scripts, for tests of everything above an engine. It passes
// nodes/agent/runtimetest like the real ones.
//
// An [Engine] is a machine's; each [Runtime] sees the containers of one node of
// one cluster on it. All waiting is by timers and channels, so that it runs in
// a synctest bubble. Faults are set while it runs: an engine that is down, a
// call that hangs or fails.
package fake
