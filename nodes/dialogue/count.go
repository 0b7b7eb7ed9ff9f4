package dialogue

import "fmt"

// Count numbers the messages of one direction of a session, from 1.
type Count uint64

// Next is the number of the next message to be sent.
func (c *Count) Next() uint64 {
	*c++
	return uint64(*c)
}

// Take is nil where seq is the number of the message that is due. Any other means
// that something between the two ends lost, doubled or delayed a message: nothing
// that was said in the session can be relied on.
func (c *Count) Take(seq uint64) error {
	if *c++; seq != uint64(*c) {
		return fmt.Errorf("message %d came where %d was due", seq, uint64(*c))
	}
	return nil
}
