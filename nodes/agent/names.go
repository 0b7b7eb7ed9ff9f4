package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// PlainName joins the parts with the letters that engines and file systems take
// in a name. It is for people to read: two may be equal, see NameSum.
func PlainName(sep string, parts ...string) string {
	return strings.TrimLeft(strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			return c
		}
		return '-'
	}, strings.Join(parts, sep)), ".-_")
}

// NameSum tells apart what PlainName makes equal: ten letters.
func NameSum(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:5])
}
