package serve

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// caller is who asks, and how to stop reading from them.
type caller struct {
	name    string
	control *http.ResponseController
}

type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// stopReading ends a Receive that waits, so that the goroutine in it can be
// awaited. It cannot fail on HTTP/2, the only protocol that has two-way streams.
func (c caller) stopReading() { _ = c.control.SetReadDeadline(time.Unix(1, 0)) }

// maxActor bounds what a client may call itself in the record.
const maxActor = 100

// actor is how the record names an operator: the certificate's name, which is
// proved, and what the client said, which is not (I39).
func (c caller) actor(says string) string {
	says = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, says)
	if r := []rune(says); len(r) > maxActor {
		says = string(r[:maxActor])
	}
	if says == "" || says == c.name {
		return c.name
	}
	return says + " (certificate " + c.name + ")"
}
