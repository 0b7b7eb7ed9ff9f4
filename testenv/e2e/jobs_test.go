package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// batch is a job whose slots run until they are sent a signal: SIGUSR1 ends them
// well. MARK tells this test's processes from all others.
const batch = `
	image: "IMAGE"
	args: ["echo", "begins", "sleep"]
	env: MARK: "MARKED"
	resources: {cpu: "20m", memory: "16Mi"}
	completions: 3
	parallelism: 2
	backoff: "500ms"
`

// I5, I6, I21: a job's server, agents and one of its attempts are killed half way,
// and another attempt ends while nobody looks. Each index completes once, and what
// has completed is not run again.
func TestE2E_JobKilledHalfWay(t *testing.T) { onEach(t, jobKilledHalfWay) }

func jobKilledHalfWay(t *testing.T, on world) {
	s := buildOn(t, on)
	s.up(2)
	s.putKind("shop/report", "job", strings.ReplaceAll(batch, "MARKED", s.listen))
	commit := s.commit("a job of three")
	s.eventually("two that run at once", func() bool { return s.running(0) && s.running(1) })

	s.server.kill()
	agents := maps.Clone(s.agents)
	for _, a := range agents {
		a.kill()
	}
	s.signal(0, syscall.SIGUSR1)
	s.signal(1, syscall.SIGKILL)
	for name := range agents {
		s.startAgent(name, int(name[1]-'0'))
	}
	s.startServer()
	s.eventually("the last one, and another attempt", func() bool { return s.running(1) && s.running(2) })
	if s.running(0) {
		t.Error("an index that has completed runs again")
	}
	s.signal(1, syscall.SIGUSR1)
	s.signal(2, syscall.SIGUSR1)
	s.wantOutcome(commit, reconciler.Applied)

	run := s.runs("shop/report")[0]
	if run.Outcome != reconciler.RunCompleted || run.Completed != 3 || run.Attempts != 4 {
		t.Errorf("got %+v, want three completed in four attempts", run)
	}
	for slot, attempts := range map[string]int{"shop/report.0": 1, "shop/report.1": 2, "shop/report.2": 1} {
		if n := strings.Count(s.shell("bayplan logs "+slot), "begins"); n != attempts {
			t.Errorf("%s began %d times, want %d", slot, n, attempts)
		}
	}
	wantText(t, "runs", s.shell("bayplan runs shop/report -o wide"), "completed", "3/3", "shop/report.1")

	s.write("shop/other.cue", strings.ReplaceAll("package shop\n\nworkloads: other: {kind: \"job\", image: \"IMAGE\", args: [\"exit\", \"3\"], attempts: 1}\n", "IMAGE", s.image))
	r := s.wantOutcome(s.commit("one that fails"), reconciler.Failed)
	wantText(t, "the cause", r.Reason, "shop/other.0 on n", "exited with code 3")
	if again := s.runs("shop/report"); len(again) != 1 {
		t.Errorf("shop/report ran again: %+v", again)
	}
}

// I24: a cron fires at the next minute, once.
func TestE2E_CronOverAMinute(t *testing.T) { onEach(t, cronOverAMinute) }

func cronOverAMinute(t *testing.T, on world) {
	s := buildOn(t, on)
	s.up(1)
	s.putKind("shop/tidy", "cron", "\n\timage: \"IMAGE\"\n\targs: [\"env\", \"BAYPLAN_RUN\"]\n\tschedule: \"* * * * *\"\n")
	s.wantOutcome(s.commit("every minute"), reconciler.Applied)
	var runs []status.Run
	if !within(t, 100*time.Second, func() bool {
		runs = s.runs("shop/tidy")
		return len(runs) > 0 && runs[0].Outcome == reconciler.RunCompleted
	}) {
		t.Fatalf("no run is complete: %+v", runs)
	}
	at, err := time.Parse("20060102T1504Z", runs[0].Run)
	if late := runs[0].Began.Sub(at); err != nil || late < 0 || late > 30*time.Second {
		t.Errorf("run %s began %s late: %v", runs[0].Run, late, err)
	}
	wantText(t, "the log", s.shell("bayplan logs shop/tidy"), runs[len(runs)-1].Run)
	wantText(t, "runs", s.shell("bayplan runs"), "shop/tidy fires next at ")
}

func (s *site) runs(workload string) []status.Run {
	s.t.Helper()
	for _, w := range s.status().Workloads {
		if w.Name == workload {
			return w.Runs
		}
	}
	return nil
}

// processes are those of one index of this site's job.
func (s *site) processes(index int) (pids []int) {
	s.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range all {
		env, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		env = append([]byte{0}, env...)
		mine := bytes.Contains(env, []byte("\x00MARK="+s.listen+"\x00"))
		if mine && bytes.Contains(env, fmt.Appendf(nil, "\x00BAYPLAN_INDEX=%d\x00", index)) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				s.t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// running is whether one index runs, so far that it takes signals.
func (s *site) running(index int) bool {
	s.t.Helper()
	for _, pid := range s.processes(index) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.HasPrefix(string(text), "/program\x00") && catchesSignals(pid) {
			return true
		}
	}
	return false
}

// catchesSignals is whether the process has asked for SIGUSR1.
func catchesSignals(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), "\nSigCgt:\t")
	mask, err := strconv.ParseUint(strings.SplitN(rest, "\n", 2)[0], 16, 64)
	return err == nil && mask&(1<<(uint(syscall.SIGUSR1)-1)) != 0
}

func (s *site) signal(index int, sig syscall.Signal) {
	s.t.Helper()
	for _, pid := range s.processes(index) {
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			s.t.Fatal(err)
		}
	}
}
