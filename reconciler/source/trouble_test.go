package source

import (
	"context"
	"fmt"
	"testing"
)

func TestFaultOf_TimeIsToldInWords(t *testing.T) {
	s := &Source{cfg: Config{URL: "https://git.example/x.git"}}
	f := s.faultOf(fmt.Errorf("fetching: %w", context.DeadlineExceeded))
	if want := "https://git.example/x.git did not answer in time"; f.code != CodeUnreachable || f.Error() != want {
		t.Errorf("%s: %s", f.code, f)
	}
}
