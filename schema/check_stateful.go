package schema

// shortestRetain keeps a slip from making a scaling down a deletion.
const shortestRetain = Duration(60e9)

// stateful checks what only such a workload has.
func (c *checker) stateful() {
	if c.w.Kind != Stateful {
		return
	}
	c.quorum([]string{"quorum"}, c.w.Quorum, c.w.Replicas)
	c.atLeast([]string{"retain"}, c.w.Retain, shortestRetain)
}

func (c *checker) quorum(path []string, quorum, replicas int) {
	switch {
	case quorum == 0 || replicas == 0:
	case quorum > replicas:
		c.add(path, "quorum %d is above replicas %d, so it could never serve; to shrink it, lower quorum with replicas", quorum, replicas)
	case c.w.Update.Strategy == "recreate":
		c.add(path, "quorum asks for %d slots that serve, and update strategy \"recreate\" stops all of them: leave one of the two out", quorum)
	case quorum == replicas:
		c.add(path, "quorum %d of %d replicas lets no slot be down, so that none could ever be replaced", quorum, replicas)
	}
}
