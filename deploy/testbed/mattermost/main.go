// Command mattermost is a Mattermost server for the tests, built from its Go
// module. It is a module of its own so that the server's dependencies stay out
// of GroupMail's.
package main

import (
	"os"

	_ "github.com/mattermost/mattermost/server/v8/channels/app/slashcommands"
	"github.com/mattermost/mattermost/server/v8/cmd/mattermost/commands"
)

func main() {
	if err := commands.Run(os.Args[1:]); err != nil {
		os.Exit(1)
	}
}
