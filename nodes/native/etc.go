package native

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/bayplan/bayplan/nodes/agent"
)

// The files of a container that tell of its network.
const (
	hostsFile    = "/etc/hosts"
	resolvFile   = "/etc/resolv.conf"
	hostnameFile = "/etc/hostname"
)

// etc is what stands in them. The address is invalid on the host's network: there
// they are the host's own. more are names that come after.
func etc(hostname string, address netip.Addr, more []agent.HostName) map[string]string {
	all := map[string]string{hostnameFile: hostname + "\n"}
	if !address.IsValid() {
		for _, file := range []string{hostsFile, resolvFile} {
			content, _ := os.ReadFile(file)
			all[file] = string(content)
		}
		all[hostsFile] = withHosts(all[hostsFile], more)
		return all
	}
	all[hostsFile] = fmt.Sprintf("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n%s\t%s\n", address, hostname)
	all[hostsFile] = withHosts(all[hostsFile], more)
	all[resolvFile] = resolvConf()
	return all
}

func withHosts(hosts string, more []agent.HostName) string {
	if len(more) > 0 && hosts != "" && !strings.HasSuffix(hosts, "\n") {
		hosts += "\n"
	}
	for _, h := range more {
		hosts += h.Address + "\t" + h.Name + "\n"
	}
	return hosts
}

// Where the host's name servers stand: the second is the one behind a stub of
// systemd-resolved, which listens on a loopback address only.
var resolvFiles = []string{resolvFile, "/run/systemd/resolve/resolv.conf"}

// resolvConf is the host's without name servers that a container cannot reach.
func resolvConf() string {
	var kept string
	for _, path := range resolvFiles {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		text, servers := reachable(string(b))
		if servers > 0 {
			return text
		}
		kept += text
	}
	return kept
}

// reachable drops the servers on loopback, and counts the others.
func reachable(conf string) (text string, servers int) {
	var out strings.Builder
	for line := range strings.Lines(conf) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "nameserver" {
			if a, err := netip.ParseAddr(fields[1]); err != nil || a.IsLoopback() {
				continue
			}
			servers++
		}
		out.WriteString(line)
	}
	return out.String(), servers
}
