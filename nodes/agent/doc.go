// Package agent makes one node run what it was told.
//
// The decision is [Step]: an Assignment, what the engine holds, the results of
// earlier actions and the time go in; the next actions, the instances to report
// and the next instant worth waking at come out. It reads no clock and starts
// nothing, so every rule of the node's behaviour can be read and tested as a
// transcript (testdata/*.txt). The files named step*.go are that pure part.
//
// [Agent] is the shell around it. It lists and watches the engine, performs the
// actions, each on a goroutine of its own so that one which hangs delays no
// other (I27), keeps the Assignment and the memory of restarts in
// Dir/state.json, and talks to the server through an [Uplink]. It lives by its
// last Assignment for as long as the server is away.
//
// What it promises:
//   - A container is stopped only by an order with Stop (I4), because its lease
//     is over, or to be made again at once because its order has other ports. One that no order names
//     is reported and left alone.
//   - What is leased runs for as long as the server hears the node and no longer:
//     it is ended without an order nodes.LeaseTime after the agent sent the last
//     message that the server answered, and comes back as ordered once it answers
//     again (I25). This wants somebody who does it, where the agent is dead while
//     its containers live: a Runtime that is a [Lessor], or who starts the agent
//     again, as systemd does with Restart=always; it finds the lease that it left.
//   - A restarted agent adopts what runs (I10); a crash at any instruction
//     loses at most the memory of the newest failure.
//   - While the engine does not answer nothing is concluded from its silence:
//     the Report says Inventory=false and instances keep their last state.
//   - An instance with an order to stop leaves the Report only after an
//     inventory that was taken after the order arrived does not have it.
//   - A runbook's step is done once. That it is begun is on disk before it begins;
//     an agent that finds one begun by another says that nobody knows how it
//     ended, and whether to try again is the server's decision. A step's own
//     container is never started anew once it may have run.
//   - Restarts back off, within bounds, across restarts of the agent (I28). At
//     most Starts containers are started at once, and those that failed before
//     get at most half of these places, so that they never starve the others.
//
// An instance that becomes unhealthy after it was healthy is reported so and
// not restarted: whether to replace it is the server's decision, which knows
// the other replicas.
package agent
