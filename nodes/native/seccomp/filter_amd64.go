package seccomp

import _ "embed"

//go:embed amd64.bpf
var filter []byte
