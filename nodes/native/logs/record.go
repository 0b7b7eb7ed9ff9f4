package logs

import (
	"bytes"
	"time"
)

// Stream is one of a program's two outputs.
type Stream byte

// The streams.
const (
	Stdout Stream = iota
	Stderr
)

// streams is how many there are.
const streams = 2

// stamp has a fixed width, so that times sort as text.
const stamp = "2006-01-02T15:04:05.000000000Z"

// What stands before the text: the time, the stream and whether the line ends.
var heads = [streams][2]string{
	Stdout: {" stdout P ", " stdout F "},
	Stderr: {" stderr P ", " stderr F "},
}

const headSize = len(stamp) + len(" stdout P ")

// MaxText is the most of a line that one record holds; more is another record.
const MaxText = 16 << 10

// maxRecord is a record with its newline.
const maxRecord = headSize + MaxText + 1

// record is a line of a log file.
type record struct {
	// stamp is the time as it stands there.
	stamp  []byte
	stream Stream
	// ends is whether the line ends with this record.
	ends bool
	text []byte
}

// parse is false for what no Writer wrote whole.
func parse(line []byte) (record, bool) {
	if len(line) < headSize || line[len(stamp)-1] != 'Z' {
		return record{}, false
	}
	at, head, text := line[:len(stamp)], line[len(stamp):headSize], line[headSize:]
	for s := range heads {
		for ends, h := range heads[s] {
			if string(head) == h {
				return record{stamp: at, stream: Stream(s), ends: ends == 1, text: text}, true
			}
		}
	}
	return record{}, false
}

// before is whether the record is older than the instant that since, a stamp,
// names.
func (r *record) before(since []byte) bool { return bytes.Compare(r.stamp, since) < 0 }

func stampOf(t time.Time) []byte { return t.UTC().AppendFormat(nil, stamp) }
