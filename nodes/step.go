package nodes

import (
	"maps"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bayplan/bayplan/schema"
)

// Step is what an Order asks for that is not one of a workload's instances:
// something to be done once, with an Outcome to report. An agent never does it
// twice, whatever becomes of the agent.
type Step struct {
	// Name tells people which it is.
	Name string `json:"name"`
	// On is the ID of the instance of the same node that Exec, HTTP or TCP is
	// about. Without it the order's Workload is a container to run to its end.
	On   string            `json:"on,omitempty"`
	Exec *schema.ExecCheck `json:"exec,omitempty"`
	HTTP *schema.HTTPCheck `json:"http,omitempty"`
	TCP  *schema.TCPCheck  `json:"tcp,omitempty"`
	// Timeout is when it counts as failed.
	Timeout schema.Duration `json:"timeout"`
}

// Outcome is how a Step ended.
type Outcome struct {
	Passed bool `json:"passed"`
	// Unknown is whether nobody can tell: it was begun, and who would know is gone.
	Unknown bool `json:"unknown,omitempty"`
	// ExitCode is a command's.
	ExitCode int `json:"exitCode,omitempty"`
	// Text is one sentence for people; empty where all is well.
	Text string `json:"text,omitempty"`
	// Output is the end of what the command wrote, at most MaxOutput bytes.
	Output string `json:"output,omitempty"`
}

// MaxOutput is how many bytes of a step's output are kept.
const MaxOutput = 1 << 10

// CutOutput is the end of what a command wrote: whole lines where one of them
// fits, without what is no text.
func CutOutput(s string) string {
	s = strings.Map(printable, strings.ToValidUTF8(s, ""))
	s = strings.TrimRight(s, "\n ")
	if len(s) <= MaxOutput {
		return s
	}
	s = s[len(s)-MaxOutput:]
	if _, rest, more := strings.Cut(s, "\n"); more && rest != "" {
		return rest
	}
	for s != "" && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return s
}

func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' {
		return -1
	}
	return r
}

// Equal is whether both say the same.
func (o *Outcome) Equal(p *Outcome) bool {
	return o == p || o != nil && p != nil && *o == *p
}

// bound cuts the texts.
func (o *Outcome) bound() {
	o.Text, o.Output = CutText(o.Text), CutOutput(o.Output)
}

// Target is what a step's container is told of the instance that it is about, as
// its environment.
func Target(slot schema.Slot, address string, ports map[string]int) map[string]string {
	env := map[string]string{"TARGET_SLOT": slot.String(), "TARGET_HOST": address}
	for name := range maps.Keys(ports) {
		env["TARGET_PORT_"+schema.EnvName(name)] = strconv.Itoa(ports[name])
	}
	return env
}
