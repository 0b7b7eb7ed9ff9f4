package bundle

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"
)

func TestFrames_ComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := bytes.Repeat([]byte(rapid.StringN(0, 9, -1).Draw(t, "text")), rapid.IntRange(0, 40_000).Draw(t, "times"))
		var wire bytes.Buffer
		if err := WriteFrames(&wire, FrameStdout, text); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for wire.Len() > 0 {
			kind, p, err := ReadFrame(&wire, nil)
			if kind != FrameStdout || err != nil {
				t.Fatal(kind, err)
			}
			got = append(got, p...)
		}
		if !bytes.Equal(got, text) {
			t.Fatalf("%d bytes came back as %d", len(text), len(got))
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 1, 'x'})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 'x'})
	f.Add([]byte{1, 0, 0, 0, 9, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for {
			_, p, err := ReadFrame(r, nil)
			if err != nil {
				if err == io.EOF && r.Len() > 0 {
					t.Fatal("an end in the middle")
				}
				return
			}
			if len(p) > MaxFrame {
				t.Fatalf("%d bytes", len(p))
			}
		}
	})
}
