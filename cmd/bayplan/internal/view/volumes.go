package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Volumes draws one line for what a node holds of a slot.
func Volumes(w io.Writer, all []status.Volume, l Look) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no volumes: a workload asks for them, `volumes: data: path: \"/data\"`")
		return
	}
	t := show.NewColumns(l.Paint, "SLOT", "NODE", "STATE", "VOLUMES", "SINCE")
	for i := range all {
		v := &all[i]
		t.Row(v.Slot, v.Node, volumeState(v), volumeNames(v), v.Since.Local().Format(eventTime))
	}
	t.Print(w)
}

func volumeState(v *status.Volume) string {
	switch {
	case v.By != "":
		return v.State + " by " + v.By
	case v.State == "kept" && v.Until.IsZero():
		return "kept until deleted"
	case v.State == "kept":
		return "kept until " + v.Until.Local().Format("2006-01-02 15:04")
	}
	return v.State
}

// volumeNames are the volumes' names with their sizes, where these are bounded.
func volumeNames(v *status.Volume) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(v.Holds)) {
		if size := v.Holds[name]; size > 0 {
			name += " (" + size.Human() + ")"
		}
		parts = append(parts, name)
	}
	return dash(strings.Join(parts, ", "))
}
