package images_test

const crashDir = "BAYPLAN_TEST_IMAGES"

func pullUntilKilled(string) int { return 0 }
