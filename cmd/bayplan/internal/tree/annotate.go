package tree

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Annotate writes findings as GitHub's workflow commands, which show each beside
// its line in a pull request. Prefix leads from the top of the repository to the
// tree.
func Annotate(w io.Writer, all []Finding, prefix string) error {
	for _, f := range all {
		title := cmp.Or(f.Path, "bayplan validate")
		var place strings.Builder
		if f.File != "" {
			place.WriteString("file=" + property(prefix+f.File) + ",")
		}
		if f.Line > 0 {
			fmt.Fprintf(&place, "line=%d,col=%d,", f.Line, f.Col)
		}
		text := f.Message
		if f.Next != "" {
			text += "\nnext: " + f.Next
		}
		if _, err := fmt.Fprintf(w, "::error %stitle=%s::%s\n", place.String(), property(title), message(text)); err != nil {
			return err
		}
	}
	return nil
}

// A workflow command ends with its line, and its properties with a colon or comma:
// these are the escapes that actions/toolkit writes (packages/core/src/command.ts).
var (
	messageEscapes  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func message(s string) string  { return messageEscapes.Replace(s) }
func property(s string) string { return propertyEscapes.Replace(s) }

// Quality is one entry of GitLab's code quality report.
type Quality struct {
	Description string   `json:"description"`
	CheckName   string   `json:"check_name"`
	Fingerprint string   `json:"fingerprint"`
	Severity    string   `json:"severity"`
	Location    Location `json:"location"`
}

// Location is where an entry stands.
type Location struct {
	Path  string `json:"path"`
	Lines Lines  `json:"lines"`
}

// Lines are those of an entry.
type Lines struct {
	Begin int `json:"begin"`
}

// CodeQuality is the findings for GitLab, which tells old ones from new ones by
// their fingerprints: those hang on the file, the field and the message and not on
// line numbers, so that a line more above an error makes no new one of it.
func CodeQuality(all []Finding, prefix string) []Quality {
	report, seen := []Quality{}, map[string]int{}
	for _, f := range all {
		text := f.Message
		if f.Path != "" {
			text = f.Path + ": " + text
		}
		file := prefix + cmp.Or(f.File, ".")
		what := file + "\x00" + lineNumbers.ReplaceAllString(text, "")
		n := seen[what]
		seen[what]++
		sum := sha256.Sum256([]byte(what + "\x00" + strconv.Itoa(n)))
		report = append(report, Quality{Description: text, CheckName: "bayplan-validate", Fingerprint: hex.EncodeToString(sum[:16]),
			Severity: "blocker", Location: Location{Path: file, Lines: Lines{Begin: max(f.Line, 1)}}})
	}
	return report
}

// lineNumbers are those that a message names, of its own file or of others.
var lineNumbers = regexp.MustCompile(`:\d+(:\d+)?\b|\bline \d+\b`)
