package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
)

// A document that says only that a node was heard again is no news; a field
// that this client does not know is.
func TestStreamNews_PassesOverWhatIsAsBefore(t *testing.T) {
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&out)
	print := (&reading{format: show.JSON}).streamNews(cmd)
	for _, doc := range []string{
		`{"nodes":[{"name":"n1","heard":"12:00"}],"new":1}`,
		`{"nodes":[{"name":"n1","heard":"12:01"}],"new":1}`,
		`{"nodes":[{"name":"n1","heard":"12:02"}],"new":2}`,
		`{"nodes":[{"name":"n1","state":"lost","heard":"12:02"}],"new":2}`,
		`{"nodes":[],"new":2}`,
		`{"nodes":[],"new":2}`,
	} {
		if err := print([]byte(doc)); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"nodes":[{"name":"n1","heard":"12:00"}],"new":1}
{"nodes":[{"name":"n1","heard":"12:02"}],"new":2}
{"nodes":[{"name":"n1","state":"lost","heard":"12:02"}],"new":2}
{"nodes":[],"new":2}
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
