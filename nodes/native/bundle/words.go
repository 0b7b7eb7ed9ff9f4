package bundle

import "time"

// Ready is the one line of JSON that a new monitor writes to its file descriptor
// 3, which it then closes: the program runs, or why not.
type Ready struct {
	Started *Started `json:"started,omitempty"`
	Trouble *Trouble `json:"trouble,omitempty"`
}

// A connection to control.sock carries one Request as a line of JSON, then what
// belongs to its Op. It ends with the monitor, so a connection with OpWait is
// also the proof that the monitor lives.
type Request struct {
	Op Op `json:"op"`
	// Signal and Grace are of OpStop: Signal ("SIGTERM"), after Grace the whole
	// cgroup is killed.
	Signal string        `json:"signal,omitempty"`
	Grace  time.Duration `json:"grace,omitempty"`
	// Exec is of OpExec.
	Exec *Exec `json:"exec,omitempty"`
	// Lease is of OpLease.
	Lease *Lease `json:"lease,omitempty"`
}

// Op is what is asked of a monitor.
type Op string

// The requests.
const (
	// OpWait is answered by a line of Exit when the program has ended; then the
	// monitor closes the connection and ends.
	OpWait Op = "wait"
	// OpStop is answered by a line of Exit once the program has ended.
	OpStop Op = "stop"
	// OpExec runs a command beside the program; frames follow in both
	// directions, see FrameKind. When the connection ends, in either direction,
	// the command and all of its session end.
	OpExec Op = "exec"
	// OpOutput is answered with the program's output from now on, in frames, a
	// copy of what goes into the log, until the program ends. A reader that is
	// too slow is cut off: it can read the log. The first frame is empty: what is
	// written after it came is not missed.
	OpOutput Op = "output"
	// OpLease gives the program another lease, or none; it is answered by a line of
	// Ready without content once it holds.
	OpLease Op = "lease"
)

// Exec is a command to run in the container with the program's user,
// environment and working directory.
type Exec struct {
	Args []string `json:"args"`
	TTY  bool     `json:"tty,omitempty"`
	// Stdin says that FrameStdin will come.
	Stdin bool `json:"stdin,omitempty"`
	// Single ends what a former Single left running, first.
	Single bool `json:"single,omitempty"`
	// Series tells apart those that are Single; a monitor of before has one.
	Series string `json:"series,omitempty"`
}

// FrameKind is the first byte of a frame; four bytes of length (big endian, at
// most MaxFrame) and the bytes themselves follow.
type FrameKind byte

// The frames.
const (
	// FrameStdin is to the monitor; an empty one closes the command's input.
	FrameStdin FrameKind = iota + 1
	// FrameResize is to the monitor: rows and columns, two bytes each.
	FrameResize
	// FrameStdout and FrameStderr are from the monitor.
	FrameStdout
	FrameStderr
	// FrameExit is the monitor's last: the code, four bytes.
	FrameExit
	// FrameTrouble is the monitor's last where the command could not be run: a
	// Trouble as JSON.
	FrameTrouble
)

// MaxFrame is the most bytes of a frame.
const MaxFrame = 64 << 10

// Version is of the folder and the words together. A monitor of another version
// is not used.
const Version = 2
