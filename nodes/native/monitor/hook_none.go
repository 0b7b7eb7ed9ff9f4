//go:build !linux || !cgo || (!amd64 && !arm64)

package monitor

// Able is empty where this binary can be a monitor, and says why not otherwise.
const Able = "this binary was built without cgo, which the monitor of a container needs: build with CGO_ENABLED=1"
