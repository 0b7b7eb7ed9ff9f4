package source

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
)

// environment is all that the git binary knows: no settings of the machine or of
// a user, no hooks, no helpers that could ask or answer, and one protocol.
func (b *gitBinary) environment() ([]string, error) {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false", "SSH_ASKPASS_REQUIRE=never",
		"GIT_ALLOW_PROTOCOL=" + b.ep.Protocol, "GIT_PROTOCOL_FROM_USER=0"}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "http_proxy", "NO_PROXY", "no_proxy"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	settings := [][2]string{{"protocol.version", "2"}, {"core.hooksPath", "/dev/null"}, {"credential.helper", ""}, {"core.fsmonitor", "false"},
		{"gc.auto", "0"}, {"fetch.unpackLimit", "1"}, {"fetch.writeCommitGraph", "false"}, {"core.bigFileThreshold", "1m"},
		{"pack.threads", "1"}, {"http.followRedirects", "initial"}, {"safe.directory", "*"}}
	more, err := b.credentials()
	if err != nil {
		return nil, err
	}
	settings = append(settings, more...)
	env = append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(settings)))
	for i, s := range settings {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, s[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, s[1]))
	}
	return env, nil
}

// credentials are read again each time. They travel in the environment, where no
// list of processes shows them.
func (b *gitBinary) credentials() (settings [][2]string, err error) {
	switch b.ep.Protocol {
	case "ssh":
		command, err := b.ssh()
		return [][2]string{{"core.sshCommand", command}, {"ssh.variant", "ssh"}}, err
	case "http", "https":
		auth, err := b.http.auth()
		if err != nil {
			return nil, err
		}
		if auth != nil {
			basic := base64.StdEncoding.EncodeToString([]byte(auth.Username + ":" + auth.Password))
			settings = append(settings, [2]string{"http.extraHeader", "Authorization: Basic " + basic})
		}
		if b.cfg.CAFile != "" {
			settings = append(settings, [2]string{"http.sslCAInfo", b.cfg.CAFile})
		}
	}
	return settings, nil
}

// ssh is a client that reads no settings and asks nobody.
func (b *gitBinary) ssh() (string, error) {
	known := b.cfg.KnownHostsFile
	if known == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", &fault{CodeCredentials, "no known_hosts file is configured", "name a known_hosts file in the server's configuration", err}
		}
		known = filepath.Join(home, ".ssh", "known_hosts")
	}
	options := []string{"BatchMode=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=" + known, "GlobalKnownHostsFile=/dev/null",
		"ConnectTimeout=15", "ServerAliveInterval=15"}
	if b.cfg.KeyFile != "" {
		options = append(options, "IdentitiesOnly=yes", "IdentityAgent=none", "IdentityFile="+b.cfg.KeyFile)
	} else {
		options = append(options, "IdentityAgent="+b.cfg.AgentSocket, "IdentityFile=none")
	}
	words := []string{"ssh", "-F", "/dev/null"}
	for _, o := range options {
		words = append(words, "-o", quote(o))
	}
	return strings.Join(words, " "), nil
}

// complaints are what git and ssh say, in English, and what it means; the first
// that fits counts.
var complaints = []struct{ text, code string }{
	{"File size limit exceeded", CodeTooLarge}, {"File too large", CodeTooLarge}, {"signal 25", CodeTooLarge}, {"out of memory", CodeTooLarge},
	{"IDENTIFICATION HAS CHANGED", CodeHostKeyChanged}, {"revoked", CodeHostKeyChanged}, {"Host key verification failed", CodeHostKeyUnknown},
	{"Authentication failed", CodeUnauthorized}, {"could not read Username", CodeUnauthorized}, {"unable to read askpass", CodeUnauthorized},
	{"error: 401", CodeUnauthorized}, {"error: 403", CodeUnauthorized}, {"Permission denied", CodeUnauthorized}, {"certificate", CodeUnauthorized},
	{"does not appear to be a git repository", CodeRepositoryMissing}, {"epository not found", CodeRepositoryMissing}, {"' not found", CodeRepositoryMissing},
	{"early EOF", CodeUnreachable}, {"RPC failed", CodeUnreachable}, {"unexpected disconnect", CodeUnreachable}, {"onnection", CodeUnreachable},
	{"did not send all necessary objects", CodeCorrupt}, {"index-pack failed", CodeCorrupt}, {"invalid index-pack output", CodeCorrupt},
	{"bad object", CodeCorrupt}, {"aborting due to possible repository corruption", CodeCorrupt}, {"unpack-objects failed", CodeCorrupt},
	{"not our ref", CodeUnreachable},
}

// tell turns what git says into a fault.
func (b *gitBinary) tell(text string, err error) error {
	text = strings.TrimPrefix(oneLine(text), "fatal: ")
	cause := errors.New(cmp.Or(text, err.Error()))
	for _, c := range complaints {
		if !strings.Contains(text, c.text) && !strings.Contains(err.Error(), c.text) {
			continue
		}
		switch c.code {
		case CodeTooLarge:
			return tellCommon(b.cfg, &excess{cause})
		case CodeCorrupt:
			return corruptAt(b.cfg.URL, cause)
		case CodeHostKeyUnknown:
			return &fault{c.code, "the host of " + b.cfg.URL + " is not known by its key", "compare its key and add it to known_hosts: ssh-keyscan " + b.ep.Host, cause}
		case CodeHostKeyChanged:
			return &fault{c.code, "the host of " + b.cfg.URL + " shows another key than known_hosts has, or one that is revoked: someone may be in between", "ask who runs the host for its present key", cause}
		case CodeUnauthorized:
			return b.unauthorized(text, cause)
		case CodeRepositoryMissing:
			return &fault{c.code, "there is no repository at " + b.cfg.URL + ", or none that we may see", "git ls-remote " + b.cfg.URL, cause}
		}
		break
	}
	return &fault{CodeUnreachable, b.cfg.URL + " does not answer", "git ls-remote " + b.cfg.URL, cause}
}

// unauthorized says it as the other backend does.
func (b *gitBinary) unauthorized(text string, cause error) error {
	switch {
	case strings.Contains(text, "certificate"):
		return &fault{CodeUnauthorized, b.cfg.URL + " shows a certificate that is not trusted", "put its authority's certificate into a file and name it in the server's configuration", cause}
	case b.ep.Protocol == "ssh":
		return (&sshRemote{cfg: b.cfg}).refused()
	}
	return b.http.tell(transport.ErrAuthenticationRequired)
}
