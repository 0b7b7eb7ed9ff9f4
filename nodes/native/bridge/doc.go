// Package bridge is the bridge network of the built-in runtime: a network
// namespace of its own for a container, joined by a veth pair to a bridge of
// this node, an address out of the node's range, and host ports that lead to
// the container's.
//
// # What it makes, and how it finds it again
//
// All names on the machine derive from Config.Key, so two agents on one machine
// never meet: the bridge "bp-<tag>", host ends of veth pairs "bp<tag>…", one
// table "bayplan-<key>" (nftables) or chains "BAYPLAN-<tag>…" (iptables), and,
// where somebody else's firewall drops forwarded packets, two accepting rules in
// DOCKER-USER or FORWARD that carry the comment "bayplan-<key>". No other table
// or rule is ever changed, and none is flushed.
//
// Before anything is made for a container a record of it is written to
// Config.Dir, and the record goes last. Whatever a crash leaves is therefore
// named by a record or by the tag, and [Network.Sweep] takes it away. Records
// are renamed into place but not synced: what they speak of does not outlive a
// power cut either.
//
// # Namespaces are held, not mounted
//
// A namespace made by Attach has no name in the file system. It is held open
// by this process (Attachment.Namespace is /proc/<pid>/fd/<n>) until the
// monitor and the container have joined it, and from then on by them as well. A
// bind mount, the usual way, has to be found and taken away after a crash, and a
// copy of it in any private mount namespace (each monitor has one) keeps the
// namespace for as long as that lives. An open file needs no such care: after
// kill -9 the kernel frees a namespace that nobody is in, and the veth pair goes
// with it. A container that is started again gets a fresh namespace with the
// same address.
//
// # Published ports
//
// A host port leads to a container by DNAT, from a map per protocol: one element
// is one published port. It works from other hosts (prerouting), from this one
// by any of its addresses and by 127.0.0.1 (output, with route_localnet on the
// bridge and masquerading; packets that come in from the bridge for 127.0.0.0/8
// are dropped, since route_localnet would let them in), and from containers,
// the same one included (masqueraded, and hairpin mode for the case that
// br_netfilter translates on the bridge). Only published ports are reachable
// from beyond the machine; containers of one node reach each other freely.
// All of it is IPv4.
//
// DNAT would silently take a port from a host process that listens on it. So
// Attach binds each port first, as docker-proxy does, refuses with a
// [*PortTakenError] if it cannot, and keeps the socket bound (never listening:
// nobody could be caught in a backlog) for as long as the port is published:
// a process that comes later is told "address already in use". After a crash
// Sweep binds them again.
//
// # Connection tracking
//
// Entries of a removed container are deleted, so that its clients get an answer
// (a reset, or the next container on that port) instead of waiting for a dead
// address; entries for a UDP port are deleted too when it is published anew.
//
// Known limit: more than about 28,000 short connections from one client address
// to one port within a minute reuse source ports that connection tracking still
// holds in TIME_WAIT, and the rate falls to a fifth.
// net.netfilter.nf_conntrack_tcp_be_liberal=1 on the host cures that. It changes
// how the whole machine judges packets, so this package leaves it to the
// operator.
//
// # No routers but the host
//
// A frame from a container reaches the host and all neighbours. So that none of
// them takes routes from it, the bridge and both ends of each pair have IPv6 off
// and hear neither Router Advertisements nor redirects, from before they go up.
// Open and Sweep put that right again; Open also within the containers that a
// former process attached. Within a container lo keeps ::1.
//
// # What it changes for the whole machine
//
// net.ipv4.ip_forward is set to 1, as every container engine does, and is not
// set back, since others may have come to need it.
package bridge
