package reconciler

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// Pin fills in the image digests that are known: a reference that the accepted
// text already had keeps the digest that it had there, so that a tag that moved
// changes nothing without a commit (I16); the rest come from resolved, by
// reference. It returns the references that neither knows, sorted.
func Pin(desired *schema.Spec, accepted *schema.Spec, resolved map[string]string) (unknown []string) {
	desired.Workloads = slices.Clone(desired.Workloads)
	for i := range desired.Workloads {
		old := accepted.Workload(desired.Workloads[i].Name)
		desired.Workloads[i] = desired.Workloads[i].WithPins(func(image string) string {
			if strings.Contains(image, "@sha256:") {
				return image
			}
			pinned := cmp.Or(old.PinOf(image), resolved[image])
			if pinned == "" {
				unknown = append(unknown, image)
			}
			return pinned
		})
	}
	slices.Sort(unknown)
	return slices.Compact(unknown)
}
