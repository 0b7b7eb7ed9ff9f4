package nodes

import "errors"

// Why a join token is refused. Whoever keeps the tokens answers with one of
// these; any other error means that it could not look.
var (
	ErrTokenUnknown = errors.New("token is unknown")
	ErrTokenUsed    = errors.New("token was used already")
	ErrTokenExpired = errors.New("token has expired")
)

// ErrNameHeld refuses a machine that wants to join under the name of one that is
// there.
var ErrNameHeld = errors.New("another machine holds this name")
