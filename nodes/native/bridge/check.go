package bridge

import "net/netip"

// probe is a site that no machine has, for trials in a namespace of their own.
var (
	probe     = site{key: "probe", tag: "probe0", bridge: "bp-probe0", subnet: netip.MustParsePrefix("10.88.0.0/24"), publish: netip.IPv4Unspecified()}
	probeRule = rule{Port{Host: 80, Container: 80, Protocol: "tcp"}, netip.MustParseAddr("10.88.0.2")}
)

// Problem is what keeps the bridge from working on this machine, and its mend.
type Problem struct{ What, Mend string }
