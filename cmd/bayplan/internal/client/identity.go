package client

import (
	"os"
	"os/user"
)

// Actor is what this user calls themself: "ann@laptop". The server adds the
// certificate's name, which alone is proved.
func Actor() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil || name == "" {
		return name
	}
	return name + "@" + host
}
