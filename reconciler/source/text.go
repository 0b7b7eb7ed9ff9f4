package source

import (
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/bayplan/bayplan/schema"
)

// maxMessage bounds the part of a commit's message that is kept, in bytes.
const maxMessage = 64 << 10

// revisionOf takes from a commit what people are shown. Its texts are cleaned of
// control characters, as they go to terminals.
func revisionOf(c *object.Commit) schema.Revision {
	message := strings.ReplaceAll(c.Message, "\r\n", "\n")
	subject, body, _ := strings.Cut(strings.TrimLeft(message[:min(len(message), maxMessage)], "\n"), "\n")
	return schema.Revision{
		Commit:  c.Hash.String(),
		Time:    c.Committer.When,
		Author:  plain(c.Author.String()),
		Subject: plain(strings.TrimSpace(subject)),
		Body:    plain(strings.TrimSpace(body)),
	}
}

// oneLine is for texts that stand in a table or a log.
func oneLine(text string) string {
	return strings.ReplaceAll(plain(strings.TrimSpace(text)), "\n", "; ")
}

// plain drops control characters other than the end of a line and a tab, and
// marks that would turn the reading direction.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, "�"))
}
