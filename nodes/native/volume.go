package native

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/bayplan/bayplan/nodes/native/bundle"
)

// makeVolumes makes the folders that the container's volumes are in. The volumes
// themselves the monitor makes, which sees the image whole: each begins as what
// the image has in its place.
func makeVolumes(all []bundle.Mount) error {
	for _, m := range all {
		if !m.Fill {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(m.Source), 0o711); err != nil {
			return fmt.Errorf("volume at %s: %w", m.Target, err)
		}
	}
	return nil
}
