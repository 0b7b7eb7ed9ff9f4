package show

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestColumns_AlignWithColoursAndHoles(t *testing.T) {
	for _, p := range []Paint{false, true} {
		c := NewColumns(p, "NAME", "STATE", "WHY")
		c.Row("hafen/größe", Cell{"ok", Good}, "")
		c.Row("b", "", "late\x1b[31m\n")
		var b bytes.Buffer
		c.Print(&b)
		plain := strings.NewReplacer("\x1b[2m", "", "\x1b[32m", "", "\x1b[0m", "").Replace(b.String())
		want := "NAME         STATE  WHY\nhafen/größe  ok\nb                   late[31m \n"
		if plain != want {
			t.Errorf("paint %v: got\n%q\nwant\n%q", p, plain, want)
		}
	}
}

func TestAge_Table(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", 59 * time.Second: "59s", 119 * time.Second: "119s", 2 * time.Minute: "2m",
		119 * time.Minute: "119m", 47 * time.Hour: "47h", 49 * time.Hour: "2d",
	} {
		if got := Age(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestTook_Table(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0ms", time.Microsecond: "<1ms", 230 * time.Millisecond: "230ms", 1240 * time.Millisecond: "1.2s", 3 * time.Minute: "3m"} {
		if got := Took(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestFrame_OverwritesAndCutsTheRest(t *testing.T) {
	s := NewScreen(os.Stdout)
	if got := s.frame("a\nb\n", true); got != "\x1b[2J\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J" {
		t.Errorf("first frame %q", got)
	}
	if got := s.frame("c\n", false); got != "\x1b[Hc\x1b[K\n\x1b[J" {
		t.Errorf("second frame %q", got)
	}
}

func TestFit_LeavesARowForTheCursor(t *testing.T) {
	lines := slices.Repeat([]string{"x"}, 10)
	if got := fit(lines, 11); len(got) != 10 {
		t.Errorf("10 lines on 11 rows became %d", len(got))
	}
	got := fit(lines, 10)
	if len(got) != 9 || got[8] != "… 2 more lines" {
		t.Errorf("10 lines on 10 rows became %q", got)
	}
}

func TestStream_OneObjectALineAndYAMLDocuments(t *testing.T) {
	var b bytes.Buffer
	for _, f := range []Format{JSON, YAML} {
		if err := Stream(&b, f, []byte(`{ "b": 1, "a": "<x>" }`)); err != nil {
			t.Fatal(err)
		}
	}
	if want := "{\"b\":1,\"a\":\"<x>\"}\n---\na: <x>\nb: 1\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	if err := Document(&b, JSON, []byte("<html>")); err == nil {
		t.Error("text that is no JSON was printed")
	}
}
