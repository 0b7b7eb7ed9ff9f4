package node

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	before := huge()
	trim()
	touch()
	fmt.Println(before, huge())
}

// huge is how much of the program is mapped by huge pages, in kB.
func huge() (kb int) {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		panic(err)
	}
	own := false
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); strings.Contains(f[0], "-") {
			own = f[len(f)-1] == self
		}
		var n int
		if _, err := fmt.Sscanf(line, "FilePmdMapped: %d kB", &n); own && err == nil {
			kb += n
		}
	}
	return kb
}

// touch reads a byte of every page that trim gives back.
func touch() {
	self, _ := os.Readlink("/proc/self/exe")
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		panic(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		panic(err)
	}
	defer memory.Close()
	for line := range strings.Lines(string(maps)) {
		from, to, ok := readOnly(strings.TrimSpace(line), self)
		for at := from; ok && at < to; at += uintptr(os.Getpagesize()) {
			if _, err := memory.ReadAt(make([]byte, 1), int64(at)); err != nil {
				panic(err)
			}
		}
	}
}

// A program that was copied lies in the page cache in huge pages.
func TestTrim_MapsNoHugePages(t *testing.T) {
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
	var before, after int
	if _, serr := fmt.Sscan(string(out), &before, &after); err != nil || serr != nil {
		t.Fatalf("%v %v: %s", err, serr, out)
	}
	if before == 0 {
		t.Skip("this file system keeps no huge pages")
	}
	if after > 0 {
		t.Errorf("%d kB in huge pages before, %d after", before, after)
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
