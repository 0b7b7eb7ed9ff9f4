// Package show is how verbs print: formats for programs, aligned tables and
// colours for people, a screen that is redrawn while something is watched.
package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// Format is the value of -o.
type Format string

// The formats.
const (
	Table Format = "table"
	Wide  Format = "wide"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Formats is every one, in the order of help texts and completion.
var Formats = []string{string(Table), string(Wide), string(JSON), string(YAML)}

// AddFlag gives a verb its -o, with f's present value as the default; more are
// formats that this verb alone has.
func (f *Format) AddFlag(fs *pflag.FlagSet, more ...string) {
	fs.VarP(&choice{f, slices.Concat(Formats, more)}, "output", "o", "how to print: "+strings.Join(slices.Concat(Formats, more), ", "))
}

// choice is the flag's value: one of some formats.
type choice struct {
	*Format
	among []string
}

// String is the flag's text.
func (f *Format) String() string { return string(*f) }

// Type names the value in help texts.
func (f *Format) Type() string { return "format" }

// Set refuses what is no format.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.among, s) {
		return fmt.Errorf("want one of %s", strings.Join(c.among, ", "))
	}
	*c.Format = Format(s)
	return nil
}

// People is whether the format is for eyes.
func (f Format) People() bool { return f == Table || f == Wide }

// Document prints a server's JSON as it came, so that fields newer than this
// client stay in it.
func Document(w io.Writer, f Format, raw []byte) error {
	if f == YAML {
		y, err := yaml.JSONToYAML(raw)
		if err != nil {
			return fmt.Errorf("the server's answer: %w", err)
		}
		_, err = w.Write(y)
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// Stream prints one of many documents: JSON as one object a line, YAML as
// documents.
func Stream(w io.Writer, f Format, raw []byte) error {
	if f == YAML {
		if _, err := io.WriteString(w, "---\n"); err != nil {
			return err
		}
		return Document(w, f, raw)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return fmt.Errorf("the server's answer: %w", err)
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// Value prints v, whose JSON is the document.
func Value(w io.Writer, f Format, v any) error {
	raw, err := Encode(v)
	if err != nil {
		return err
	}
	return Document(w, f, raw)
}

// Encode is v's JSON with <, > and & as they are, on one line without its end.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
