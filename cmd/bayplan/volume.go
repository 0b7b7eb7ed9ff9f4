package main

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

func newVolumeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "volume",
		Short:   "See which node holds which data, and delete what is kept",
		Long:    "Volume shows the slots' own volumes: those in use, and those that are kept after\ntheir slots until their time is over or somebody has them deleted.",
		Example: "  bayplan volume ls\n  bayplan volume rm shop/db.2",
		Args:    noVerb,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newVolumeListCommand(), newVolumeRemoveCommand())
	return cmd
}

func newVolumeListCommand() *cobra.Command {
	r := &reading{}
	text := func(st *status.Status, l view.Look) string {
		var b strings.Builder
		view.Volumes(&b, st.Volumes, l)
		return b.String()
	}
	cmd := &cobra.Command{Use: "ls", Short: "List the slots' volumes", Example: "  bayplan volume ls -w", Args: takes(),
		Long: "Each line is what one node holds of one slot: the volumes with their sizes, where\nthey have one, and until when what no slot wants any more is kept.",
		RunE: func(cmd *cobra.Command, _ []string) error { return r.part(cmd, text, volumesOf) }}
	r.addFlags(cmd)
	r.addWatch(cmd)
	return cmd
}

// volumesOf is the document of `volume ls`: the status without all but its
// volumes.
func volumesOf(raw []byte) ([]byte, error) {
	all, err := document[struct {
		Schema  string          `json:"schema"`
		Volumes json.RawMessage `json:"volumes"`
	}](raw)
	if err != nil {
		return nil, err
	}
	if all.Volumes == nil {
		all.Volumes = json.RawMessage("[]")
	}
	return show.Encode(all)
}

func newVolumeRemoveCommand() *cobra.Command {
	_, cmd := wishes(reconciler.DeleteVolumes, "SLOT", keptVolumes, cobra.Command{
		Short: "Delete the volumes that are kept of a slot",
		Long: `Rm deletes the data of a slot that is wanted no more, at once and for good. Where
several nodes keep volumes of the slot, say which: SLOT@NODE. What a slot uses is
never deleted: lower replicas or remove the workload with a commit first. The
record keeps who deleted what, and why.`,
		Example: "  bayplan volume rm shop/db.2 --reason 'moved to s3'",
	})
	cmd.Use = "rm SLOT"
	return cmd
}

// keptVolumes are the slots whose volumes are kept.
func keptVolumes(st *status.Status) (all []string) {
	for i := range st.Volumes {
		if st.Volumes[i].State == "kept" {
			all = append(all, st.Volumes[i].Slot)
		}
	}
	return all
}
