package load

import (
	"fmt"
	"strings"
)

// unknownField says that name is no field, and which one was likely meant.
func unknownField(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("unknown field %q, did you mean %q?", name, near)
	}
	if word := elsewhere[strings.ToLower(name)]; word != "" {
		return fmt.Sprintf("unknown field %q: %s", name, word)
	}
	switch {
	case len(known) == 0:
		return fmt.Sprintf("unknown field %q", name)
	case len(known) > manyNames:
		return fmt.Sprintf("unknown field %q: `bayplan schema` prints those that there are", name)
	}
	return fmt.Sprintf("unknown field %q, want one of %s", name, strings.Join(known, ", "))
}

// manyNames is more than anybody reads in one line.
const manyNames = 16

// elsewhere are the words of Docker, Compose and Kubernetes that are far from
// ours, in lower case, and what stands for them here.
var elsewhere = map[string]string{
	"apiversion":      "this is no Kubernetes manifest; a workload is `workloads: NAME: {kind: \"service\", image: ...}`",
	"build":           "images are built elsewhere: name one with image",
	"cap_add":         noPrivileges,
	"cap_drop":        noPrivileges,
	"capabilities":    noPrivileges,
	"cgroup_parent":   noPrivileges,
	"cmd":             "its program is command (the entrypoint) and args",
	"containers":      "the main container is the workload itself (image, command, ...), others are init and sidecars",
	"cpus":            "amounts are resources: {cpu: \"500m\", memory: \"256Mi\"}",
	"depends_on":      "what comes first is after: [\"team/name\"]",
	"deploy":          "replicas, resources, update and constraints stand in the workload itself",
	"entrypoint":      "its program is command (the entrypoint) and args",
	"envfrom":         "env holds texts: {NAME: \"value\"}",
	"env_file":        "env holds texts: {NAME: \"value\"}",
	"expose":          "ports are named: ports: http: container: 8080",
	"hostipc":         noPrivileges,
	"hostname":        "a slot's name is given by its workload and number",
	"hostnetwork":     "it is network: \"host\", which the server's operators must grant",
	"hostpid":         noPrivileges,
	"ipc":             noPrivileges,
	"livenessprobe":   "it is health: {http: {path: \"/up\", port: \"http\"}}",
	"mem_limit":       "amounts are resources: {cpu: \"500m\", memory: \"256Mi\"}",
	"metadata":        "this is no Kubernetes manifest; the name is the field's own, workloads: NAME: {...}",
	"network_mode":    "it is network: \"host\" or \"bridge\"",
	"nodename":        "nodes are chosen by constraints: [{attribute: \"zone\", value: \"a\"}]",
	"nodeselector":    "nodes are chosen by constraints: [{attribute: \"zone\", value: \"a\"}]",
	"pid":             noPrivileges,
	"privileged":      noPrivileges,
	"readinessprobe":  "it is health: {http: {path: \"/up\", port: \"http\"}}",
	"scale":           "it is replicas",
	"securitycontext": noPrivileges,
	"security_opt":    noPrivileges,
	"spec":            "this is no Kubernetes manifest; fields stand in the workload itself",
	"services":        "this is a Compose file; a workload is `workloads: NAME: {kind: \"service\", image: ...}`",
	"startupprobe":    "it is health, with startPeriod",
	"strategy":        "it is update: strategy",
	"tolerations":     "taints are named: tolerates: [\"gpu\"]",
	"working_dir":     "it is workdir",
}

const noPrivileges = "no container gets more privileges or other namespaces of the machine than all have"

// nearest is the known name closest to a mistyped one; "" if none is close.
func nearest(name string, known []string) string {
	best, least := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := nearness(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// nearness is the distance of two names, where a beginning counts as one step:
// "env" for "environment", "volume" for "volumes".
func nearness(a, b string) int {
	if min(len(a), len(b)) >= 3 && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)) {
		return 1
	}
	return distance(a, b)
}

// distance counts the bytes to insert, drop, change or swap with the next one
// to make b of a (the optimal string alignment distance).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
