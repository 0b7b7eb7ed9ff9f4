package source

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"
)

func TestPace_BacksOff(t *testing.T) {
	for name, test := range map[string]struct {
		fault *fault
		poll  time.Duration
		want  []time.Duration
	}{
		"no trouble":     {nil, 15 * time.Second, []time.Duration{13636363636, 13636363636}},
		"content":        {&fault{code: CodeEmpty}, 15 * time.Second, []time.Duration{13636363636, 13636363636}},
		"unreachable":    {&fault{code: CodeUnreachable}, 15 * time.Second, []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 32e9, 64e9, 128e9, 256e9, 300e9, 300e9}},
		"refused":        {&fault{code: CodeUnauthorized}, 15 * time.Second, []time.Duration{15e9, 30e9, 60e9, 120e9, 240e9, 300e9, 300e9}},
		"quick poll":     {&fault{code: CodeUnreachable}, time.Millisecond, []time.Duration{1e6, 2e6, 4e6}},
		"refused, hours": {&fault{code: CodeHostKeyUnknown}, time.Hour, []time.Duration{time.Hour, time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			p := pace{poll: test.poll, random: func() float64 { return 0.5 }}
			var got []time.Duration
			for range test.want {
				got = append(got, p.next(test.fault))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPace_Spreads(t *testing.T) {
	for random, want := range map[float64]time.Duration{0: 81818 * time.Millisecond, 0.5: 90909 * time.Millisecond, 1: 100 * time.Second} {
		p := pace{poll: 100 * time.Second, random: func() float64 { return random }}
		if got := p.next(nil); got.Round(time.Millisecond) != want {
			t.Errorf("random %v: %v, want %v", random, got, want)
		}
	}
}

// away is a remote that is never there; it notes when it was asked.
type away struct {
	start time.Time
	asked []time.Duration
}

func (a *away) ask(context.Context) (answer, error) {
	a.asked = append(a.asked, time.Since(a.start))
	return nil, errors.New("connection refused")
}
func (a *away) complete(context.Context, *mirror, plumbing.Hash) error { return nil }
func (a *away) listen(func()) (func() error, error)                    { return func() error { return nil }, nil }
func (a *away) close() error                                           { return nil }

func TestWatch_UnreachableIsAskedLessAndLess(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{URL: "/nowhere", Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		remote := &away{start: time.Now()}
		s.remote = remote
		w := follows(t, s)
		time.Sleep(time.Hour)
		synctest.Wait()
		w.trouble(CodeUnreachable)
		w.quiet()
		if n := len(remote.asked); n < 17 || n > 23 {
			t.Errorf("asked %d times in an hour: %v", n, remote.asked)
		}
		if gap := remote.asked[1] - remote.asked[0]; gap < 900*time.Millisecond || gap > 1100*time.Millisecond {
			t.Errorf("the first retry came after %v", gap)
		}
		before := len(remote.asked)
		s.Poke()
		synctest.Wait()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(remote.asked) - before; n != 4 {
			t.Errorf("%d looks in the 10 s after a poke: %v", n, remote.asked[before:])
		}
		w.stop()
	})
}
