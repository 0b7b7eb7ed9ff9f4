package exit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
)

func TestCodeOf_Table(t *testing.T) {
	for _, x := range []struct {
		err  error
		code exit.Code
		text string
	}{
		{nil, 0, ""},
		{errors.New("no"), 1, "no"},
		{exit.Silent(42), 42, ""},
		{exit.Usagef("bayplan --help", "no verb %q", "x"), 64, "no verb \"x\"\n  next: bayplan --help"},
		{fmt.Errorf("planning: %w", &exit.Error{Code: exit.Unplaced, Err: errors.New("2 slots")}), 4, "planning: 2 slots"},
		{fmt.Errorf("asking: %w", context.DeadlineExceeded), 7, "asking: context deadline exceeded"},
	} {
		if got := exit.CodeOf(x.err); got != x.code {
			t.Errorf("%v: code %d, want %d", x.err, got, x.code)
		}
		if x.err == nil {
			continue
		}
		if got := exit.Text(x.err); got != x.text {
			t.Errorf("%v: text %q, want %q", x.err, got, x.text)
		}
	}
}
