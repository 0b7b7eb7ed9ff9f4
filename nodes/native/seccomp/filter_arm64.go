package seccomp

import _ "embed"

//go:embed arm64.bpf
var filter []byte
