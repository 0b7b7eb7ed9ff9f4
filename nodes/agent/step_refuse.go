package agent

import "github.com/bayplan/bayplan/nodes"

// The machine's own operator has the last word about what is started here
// ([schema.MachinePolicy]). What already runs goes on: it is the server's to move
// it, which is told of the policy by an attribute of the node.

// unwanted is why the machine refuses what is ordered; "" where it does not.
func (s *step) unwanted(l *berth) string {
	if s.policy == nil {
		return ""
	}
	if why := s.policy.Refuses(l.order.Workload); why != "" {
		return "refused by this machine's policy " + why
	}
	return ""
}

// keptOut is whether the start is refused, which is a failure like any other: it is
// tried again later, and another node may be tried meanwhile.
func (s *step) keptOut(l *berth) bool {
	why := s.unwanted(l)
	switch {
	case why == "":
		return false
	case !s.now.Before(l.mem.Next):
		s.fail(l, nodes.Failure{Code: nodes.Refused, Text: why}, s.now)
	}
	s.wake(l.mem.Next)
	return true
}
