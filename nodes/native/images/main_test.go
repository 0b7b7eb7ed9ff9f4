package images_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		os.Exit(pullUntilKilled(dir))
	}
	goleak.VerifyTestMain(m)
}
