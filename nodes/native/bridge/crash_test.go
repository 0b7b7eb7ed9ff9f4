package bridge

const envCrash = "BAYPLAN_BRIDGE_TEST_CRASH"

func crash() {}
