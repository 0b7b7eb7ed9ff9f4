// Package wire is the protocol between agent and server: Connect over HTTP/2
// and TLS 1.3, with client certificates from the first day.
//
// A node joins once, with a one-time token and the pin of the cluster's CA
// ([Join]), and is from then on who its certificate says. It keeps one Session
// with the server ([Client]): on connect a full report goes up and the whole
// Assignment comes down, afterwards what differs. Both sides number their
// messages and say in every heartbeat, as a hash, what they believe of the
// other; where that differs the whole is sent again, so a lost or misapplied
// message is healed within two heartbeats. Neither side queues: reports and
// Assignments are levels, and only the newest counts.
//
// Nothing here decides. A session that ends, a certificate that expired, an
// Assignment that is refused: the agent lives on by the Assignment that it
// holds, and says clearly why it cannot be reached (I4).
package wire

import "time"

//go:generate sh -c "cd ../.. && go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate"

// Protocol is the version that this program speaks. A peer of another one is
// refused before it sent anything.
const Protocol = 1

// MaxMessage bounds each message, in bytes. A node of 1,000 instances reports
// less than 1 MiB; what is larger than this is a fault, and reading it would
// let one node take the server's memory.
const MaxMessage = 16 << 20

// maxEnrolment bounds a request to join, which anybody can send.
const maxEnrolment = 64 << 10

// DefaultHeartbeat is how often a node says that it lives: three go missing
// before it counts as unreachable (15 s).
const DefaultHeartbeat = 5 * time.Second

// DefaultNodeLife is how long a node's certificate is valid. It is renewed
// after two thirds, so a node may be off for 10 days and still come back.
const DefaultNodeLife = 30 * 24 * time.Hour

// A connection that is silent for pingAfter is asked, and is given up
// pingWait later: both sides notice a dead one within 15 s.
const (
	pingAfter = 5 * time.Second
	pingWait  = 5 * time.Second
	// writeWait is how long the peer's kernel may take nothing at all.
	writeWait = 10 * time.Second
)
