package wire

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// JoinInfo is what a machine needs to become a node.
type JoinInfo struct {
	// Token is 256 random bits, good once.
	Token string
	// Server is "host:port".
	Server string
	// Pin is [CA.Pin] of the cluster's CA.
	Pin string
}

// NewToken draws a token. Only its TokenHash may be stored.
func NewToken() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// TokenHash is the form in which a token is stored and looked up. The token has
// 256 random bits, so a plain hash gives nothing away.
func TokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// URL is "bayplan://TOKEN@host:port?ca=PIN".
func (j JoinInfo) URL() string {
	u := url.URL{Scheme: "bayplan", User: url.User(j.Token), Host: j.Server, RawQuery: "ca=" + j.Pin}
	return u.String()
}

// JoinLine is what to type on the machine that is to be a node, quoted for any
// shell.
func JoinLine(j JoinInfo) string { return "bayplan agent --join '" + j.URL() + "'" }

// ParseJoin reads a whole JoinLine, or the URL at its end.
func ParseJoin(line string) (JoinInfo, error) {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return JoinInfo{}, errJoinLine("it is empty")
	}
	// What url.Parse says quotes the text, and with it the token.
	u, err := url.Parse(strings.Trim(fields[len(fields)-1], `'"`))
	if err != nil || u.Scheme != "bayplan" {
		return JoinInfo{}, errJoinLine("it is no bayplan:// address")
	}
	j := JoinInfo{Token: u.User.Username(), Server: u.Host, Pin: strings.ToLower(u.Query().Get("ca"))}
	if raw, err := base64.RawURLEncoding.DecodeString(j.Token); err != nil || len(raw) != 32 {
		return JoinInfo{}, errJoinLine("its token is not whole")
	}
	if _, port, err := net.SplitHostPort(j.Server); err != nil || port == "" {
		return JoinInfo{}, errJoinLine("it names no host:port")
	}
	if raw, err := hex.DecodeString(j.Pin); err != nil || len(raw) != sha256.Size {
		return JoinInfo{}, errJoinLine("its ca= is not whole (quote the line: shells cut it at the \"?\")")
	}
	return j, nil
}

func errJoinLine(cause string) error {
	return fmt.Errorf("join line: %s: copy it whole from `bayplan node token`", cause)
}
