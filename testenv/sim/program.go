package sim

import (
	"strconv"
	"strings"
	"time"
)

// act is how a program behaves, which its image tells.
type act string

const (
	steady   act = "steady"   // runs, or ends well where it is a job's
	crashy   act = "crashy"   // exits with an error every now and then
	broken3  act = "broken"   // exits with an error at once
	hungry   act = "hungry"   // is killed for its memory
	sick     act = "sick"     // fails its checks for ever
	slow     act = "slow"     // takes its time until it passes its check
	stubborn act = "stubborn" // ignores the signal to end
	missing  act = "missing"  // is not to be had
)

const slowness = 20 * time.Second

// good are those that come up, bad those that never do.
var (
	good = []act{steady, steady, steady, steady, slow, stubborn, crashy}
	bad  = []act{broken3, hungry, sick, missing}
)

// registry has the images: what a tag means, which anybody may move.
type registry struct {
	moved        map[string]int // how often a tag was
	fails, hangs int
}

// resolve is what a tag means now.
func (r *registry) resolve(tag string) (pinned string) {
	name, version, _ := strings.Cut(tag, ":")
	return name + "@sha256:" + version + "-" + strconv.Itoa(r.moved[tag])
}

// acts is how the image's program behaves: its version begins with that.
func (r *registry) acts(image string) act {
	_, version, ok := strings.Cut(image, "@sha256:")
	if !ok {
		_, version, _ = strings.Cut(image, ":")
	}
	kind, _, _ := strings.Cut(version, "-")
	return act(kind)
}

// play is a program's own life.
func (m *machine) play(b *box) {
	life := b.life
	exit := func(after time.Duration, code int, oom bool) {
		m.after(after, func() {
			if b.life == life && !(m.w.quiet && b.acts == crashy && !b.work.Kind.Runs()) {
				m.exit(b, code, oom)
			}
		})
	}
	runs := b.work.Kind.Runs()
	switch {
	case b.acts == broken3:
		exit(between(m.luck, 50*time.Millisecond, 2*time.Second), 3, false)
	case b.acts == hungry:
		exit(between(m.luck, time.Second, 4*time.Second), 137, true)
	case b.acts == sick && runs:
		exit(between(m.luck, time.Second, 20*time.Second), 1, false)
	case runs && b.acts == crashy && m.luck.IntN(2) == 0:
		exit(between(m.luck, time.Second, time.Minute), 1, false)
	case runs:
		exit(between(m.luck, time.Second, 3*time.Minute), 0, false)
	case b.acts == crashy && !m.w.quiet:
		exit(between(m.luck, time.Minute, 2*time.Hour), 1, false)
	}
}
