package agent_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the transcripts of testdata anew")

// TestStep_Transcripts plays every testdata/*.txt: commands in, and below the
// line of dashes what Step made of them. See rig_test.go for the commands.
func TestStep_Transcripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { play(t, f) })
	}
}

func play(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig()
	var out bytes.Buffer
	for _, b := range blocks(string(text)) {
		if b.command == "" {
			out.WriteString(b.input)
			continue
		}
		fmt.Fprintf(&out, "%s----\n%s\n", b.input, r.do(t, b.command, b.lines))
	}
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(text), out.String()); diff != "" && !*update {
		t.Errorf("%s differs (-want +got); -update writes it anew:\n%s", path, diff)
	}
}

// block is a comment, or a command with its lines.
type block struct {
	input   string
	command string
	lines   []string
}

// blocks reads a transcript, leaving out its answers.
func blocks(text string) (all []block) {
	for part := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n\n") {
		lines := strings.Split(part, "\n")
		var b block
		for _, l := range lines {
			if l == "----" {
				break
			}
			b.input += l + "\n"
			if !strings.HasPrefix(l, "#") {
				b.lines = append(b.lines, l)
			}
		}
		if len(b.lines) == 0 {
			b.input += "\n"
		} else {
			b.command, b.lines = b.lines[0], b.lines[1:]
		}
		all = append(all, b)
	}
	return all
}
