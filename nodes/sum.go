package nodes

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"time"
)

// Sum is a hash of what a document means. Two sides that believe the same have
// equal Sums, however each came to its belief: made, read from disk, received
// whole or in Changes.
type Sum [sha256.Size]byte

// Sum leaves out Now, so that it stands still while nothing happens.
func (r *Report) Sum() Sum {
	c := *r
	c.Now = time.Time{}
	if len(c.Instances) == 0 {
		c.Instances = nil
	}
	return sum(&c)
}

// Sum counts everything, the Version included.
func (a *Assignment) Sum() Sum {
	c := *a
	if len(c.Orders) == 0 {
		c.Orders = nil
	}
	return sum(&c)
}

// sum hashes the JSON of v, which has sorted keys and no empty maps. A byte
// that is no UTF-8 is written as an escape but, once read back, as a character:
// both count as the character.
func sum(v any) Sum {
	b, err := json.Marshal(v)
	if err != nil {
		panic("nodes: a document of the domain is always JSON: " + err.Error())
	}
	return sha256.Sum256(bytes.ReplaceAll(b, []byte(`\ufffd`), []byte("\ufffd")))
}
