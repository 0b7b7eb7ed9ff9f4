package node

import (
	"bufio"
	"fmt"
	"os"
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
