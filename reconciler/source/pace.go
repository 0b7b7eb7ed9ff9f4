package source

import "time"

const (
	// firstRetry follows the first failure: most are over in a second.
	firstRetry = time.Second
	// slowestRetry is the longest that a remote which came back goes unnoticed.
	slowestRetry = 5 * time.Minute
	// jitter spreads the looks of many servers: ±10 %; those of a poll that went
	// well come before their time, up to 20 %, and never after.
	jitter = 0.1
)

// pace decides when to look next.
type pace struct {
	poll     time.Duration
	failures int
	// random is uniform in [0,1).
	random func() float64
}

// next is the wait after a look that ended with f; nil is success. Failures wait
// exponentially longer: from a second where asking again may help, from a whole
// Poll where someone has to change something first.
func (p *pace) next(f *fault) time.Duration {
	if f == nil || f.answered() {
		p.failures = 0
		return p.spread(time.Duration(float64(p.poll) / (1 + jitter)))
	}
	wait := p.poll
	if !f.patient() {
		wait = min(firstRetry, p.poll)
	}
	for range p.failures {
		wait = min(2*wait, max(slowestRetry, p.poll))
	}
	p.failures++
	return p.spread(wait)
}

// reset forgets the failures.
func (p *pace) reset() { p.failures = 0 }

func (p *pace) spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 + jitter*(2*p.random()-1)))
}
