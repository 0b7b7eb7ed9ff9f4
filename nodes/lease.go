package nodes

import "time"

// A lease lets what must have one live writer be given to another node although
// its own is only silent, and not known to be dead (I25): its agent ends it by
// itself once the server has not heard the node for LeaseTime, and the server
// gives it to another after LeaseWait, never before.
//
// The agent counts from when it SENT the last message that the server said it
// received, on a clock that runs while the machine sleeps (CLOCK_BOOTTIME); the
// server from when it RECEIVED the last one. A message is received after it was
// sent, so the agent's count always ends first. With clocks that are 2 % wrong in
// opposite ways 60 s and 10 s are over after 73 s of the server's; what is left of
// the 85 s is for a former leader that has not noticed yet that it is one.
//
// It holds for as long as there is somebody on the node to end the program. With the
// built-in runtime that is the monitor of each container, which reads until when the
// lease is and ends the program a moment after the agent would have: it needs no agent
// that lives, and the program does not outlive it. With Docker it is the agent alone:
// one that is alive or is started anew within the time, and an engine that answers it.
const (
	// LeaseTime is how long what is leased runs on unheard.
	LeaseTime = 60 * time.Second
	// LeaseStop is how long it may take to end then.
	LeaseStop = 10 * time.Second
	// LeaseWait is the silence after which the server counts on that.
	LeaseWait = 85 * time.Second
)
