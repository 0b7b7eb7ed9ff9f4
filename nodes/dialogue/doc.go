// Package dialogue is what an agent and the server say to each other in one
// session, without the connection that carries it: who sends what when, and what
// is concluded from it. nodes/wire puts it on HTTP/2.
//
// Each side numbers its messages, so that one which is lost, doubled or comes
// again later ends the session instead of being believed. Reports and
// Assignments are sent whole once and as far as they differ after that; in every
// heartbeat the agent says, as hashes, what it has reported and what it holds,
// and where the server believes otherwise the whole is sent again. A heartbeat is
// answered only to an agent that may go on with what it runs by a lease.
//
// It is pure: messages go in and messages come out, and neither end is safe for
// concurrent use.
package dialogue
