package schema

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a server in an image without zones has these
)

// LoadZone finds a time zone of the IANA database by its name, such as
// "Europe/Berlin" or "UTC": what a machine has no newer one of is in the binary.
func LoadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" || strings.HasPrefix(name, "/") {
		return nil, fmt.Errorf("%q is no time zone: want a name such as \"UTC\" or \"Europe/Berlin\"", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("there is no time zone %q: want a name such as \"UTC\" or \"Europe/Berlin\"", name)
	}
	return zone, nil
}
