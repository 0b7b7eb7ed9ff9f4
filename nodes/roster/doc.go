// Package roster is the server's memory of its nodes: the newest report of
// each, and the newest Assignment that each should have.
//
// Both are levels, not queues. A report replaces the one before it and an
// Assignment the one before it, so memory is a function of nodes and instances
// whatever the pace of either side; readers are told "look again" through
// channels that hold one signal. Nothing is durable: a fresh Roster is empty
// until the nodes connect, and the caller knows from its ledger whom to expect.
package roster
