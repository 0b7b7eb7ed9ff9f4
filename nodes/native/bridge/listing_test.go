package bridge

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestWhole_ListsAgainWhatWasCut(t *testing.T) {
	calls := 0
	got, err := whole(func() ([]int, error) {
		if calls++; calls < 5 {
			return []int{calls}, fmt.Errorf("links: %w", netlink.ErrDumpInterrupted)
		}
		return []int{1, 2}, nil
	})
	if err != nil || calls != 5 || !slices.Equal(got, []int{1, 2}) {
		t.Errorf("%v, %v after %d calls", got, err, calls)
	}
}

func TestWhole_GivesUp(t *testing.T) {
	calls, cause := 0, error(netlink.ErrDumpInterrupted)
	list := func() ([]int, error) { calls++; return []int{1}, cause }
	if got, err := whole(list); !errors.Is(err, netlink.ErrDumpInterrupted) || got != nil || calls > 100 {
		t.Errorf("always cut: %v, %v after %d calls", got, err, calls)
	}
	calls, cause = 0, errors.New("no netlink")
	if _, err := whole(list); !errors.Is(err, cause) || calls != 1 {
		t.Errorf("another error: %v after %d calls", err, calls)
	}
}
