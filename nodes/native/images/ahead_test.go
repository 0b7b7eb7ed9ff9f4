package images

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestAhead_IsTheSameStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := make([]byte, rapid.IntRange(0, 3*aheadBytes).Draw(t, "size"))
		for i := range data {
			data[i] = byte(i * 7 / 3)
		}
		end := rapid.SampledFrom([]error{io.EOF, io.ErrClosedPipe}).Draw(t, "end")
		a := readAhead(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(end)))
		defer a.stop()
		var got bytes.Buffer
		buf := make([]byte, rapid.IntRange(1, aheadBytes).Draw(t, "read"))
		for {
			n, err := a.Read(buf)
			got.Write(buf[:n])
			if err == nil {
				continue
			}
			if again, err2 := a.Read(buf); again != 0 || !errors.Is(err2, end) || !errors.Is(err, end) {
				t.Fatalf("%v, then %d bytes and %v; want %v", err, again, err2, end)
			}
			break
		}
		if !bytes.Equal(got.Bytes(), data) {
			t.Fatalf("%d bytes became %d others", len(data), got.Len())
		}
	})
}

func TestAhead_StopsInTheMiddle(t *testing.T) {
	a := readAhead(bytes.NewReader(make([]byte, 100*aheadBytes)))
	if _, err := a.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	a.stop()
	<-a.done
}
