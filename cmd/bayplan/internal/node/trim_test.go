package node

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// resident is how much of the process's files is in its memory, in kB.
func resident(t *testing.T) (kb int) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skip("no /proc")
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "RssFile:"); ok {
			if _, err := fmt.Sscan(rest, &kb); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kb
}

func TestTrim_GivesPagesBackAndGoesOn(t *testing.T) {
	before := resident(t)
	trim()
	after := resident(t)
	if after >= before {
		t.Errorf("%d kB of the program before, %d after", before, after)
	}
	if got := strings.ToUpper(fmt.Sprintf("%x", 0xbeef)); got != "BEEF" {
		t.Errorf("the program is damaged: %q", got)
	}
}

// trimmed makes the test program tell of itself, from where it was copied to.
const trimmed = "BAYPLAN_TEST_TRIMMED"

func TestMain(m *testing.M) {
	if os.Getenv(trimmed) == "" {
		os.Exit(m.Run())
	}
	trim()
	fmt.Println(touchSome())
}

// touchSome reads a byte of every megabyte that trim gives back, and tells how
// much of the whole is in memory then, in kB.
func touchSome() (whole, resident int) {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		panic(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		panic(err)
	}
	defer memory.Close()
	for _, m := range untouched(string(smaps), self) {
		whole += int(m.to-m.from) >> 10
		for at := m.from; at < m.to; at++ {
			if at%(1<<20) != 0 {
				at |= 1<<20 - 1
				continue
			}
			if _, err := memory.ReadAt(make([]byte, 1), int64(at)); err != nil {
				panic(err)
			}
		}
	}
	return whole, residentOf(self)
}

// residentOf is how much of the file's mappings that cannot be written to is in
// memory, in kB.
func residentOf(file string) (kb int) {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		panic(err)
	}
	own := false
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); strings.Contains(f[0], "-") {
			_, _, own = readOnly(line, file)
		}
		var n int
		if _, err := fmt.Sscanf(line, "Rss: %d kB", &n); own && err == nil {
			kb += n
		}
	}
	return kb
}

// A program that was copied lies in the page cache in huge pages: a touch here
// and there must not bring back the whole.
func TestTrim_ATouchBringsBackLittle(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copied")
	if err := os.WriteFile(copied, text, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied)
	cmd.Env = append(os.Environ(), trimmed+"=1")
	out, err := cmd.CombinedOutput()
	var whole, resident int
	if _, serr := fmt.Sscan(string(out), &whole, &resident); err != nil || serr != nil {
		t.Fatalf("%v %v: %s", err, serr, out)
	}
	if resident > whole/2 {
		t.Errorf("%d of %d kB of the program are in memory", resident, whole)
	}
}

func TestReadOnly_TakesOnlyTheProgramsOwnText(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-01a3c000 r-xp 00000000 fe:00 123 /bin/bayplan":    true,
		"01a3c000-02c00000 r--p 0163c000 fe:00 123 /bin/bayplan":    true,
		"02c00000-02d00000 rw-p 02800000 fe:00 123 /bin/bayplan":    false,
		"7f0000000000-7f0000100000 r-xp 00000000 fe:00 9 /lib/libc": false,
		"7f0000000000-7f0000100000 rw-p 00000000 00:00 0":           false,
	} {
		if _, _, ok := readOnly(line, "/bin/bayplan"); ok != want {
			t.Errorf("%s: %v", line, ok)
		}
	}
}

// What a linker has written into a part that it then closed is not in the file.
func TestUntouched_LeavesWhatWasWritten(t *testing.T) {
	const smaps = `00400000-01a3c000 r-xp 00000000 fe:00 123 /bin/bayplan
Rss:                4800 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
02c00000-02d00000 r--p 02800000 fe:00 123 /bin/bayplan
Anonymous:            12 kB
02d00000-02e00000 rw-p 02900000 fe:00 123 /bin/bayplan
Anonymous:             0 kB
7f0000000000-7f0000100000 r-xp 00000000 fe:00 9 /lib/libc
Anonymous:             0 kB
`
	got := untouched(smaps, "/bin/bayplan")
	if want := []mapping{{0x400000, 0x1a3c000}}; !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}
