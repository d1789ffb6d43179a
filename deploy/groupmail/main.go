// Command groupmail brings a team's shared mailbox into their chat channel.
//
// It owns flags, configuration and wiring, and the demonstration's surroundings: a mail provider
// and a customer's web page. Nothing is decided here about mail or conversations.
//
// Start reading at cli for the commands, then Open in app.go, which assembles the product for all
// of them; OpenDemo is the same with servers of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"groupmail/bot"
)

// cli is the command tree; help is made of it.
type cli struct {
	Demo    demoCommand    `cmd:"" help:"Try everything on this machine: a mailbox, a chat channel and a customer, without any account."`
	Serve   serveCommand   `cmd:"" help:"Run GroupMail."`
	Check   checkCommand   `cmd:"" help:"Try the configuration out: database, mailboxes, sending, chat. No mail is touched, nothing is posted."`
	Auth    authCommand    `cmd:"" help:"Sign in to a mailbox whose provider wants OAuth2: Google, Microsoft 365 and others."`
	Setup   setupCommand   `cmd:"" help:"Prepare a chat server for GroupMail."`
	Inspect inspectCommand `cmd:"" help:"Show what GroupMail reads in mail files, one line of JSON each."`
	Help    helpCommand    `cmd:"" help:"Explain a command; help chat: what can be typed in the channel."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// errTold ends a command with status 1 after everything was said.
var errTold = errors.New("told")

// run is a whole run of the program; it returns the exit status: 0, 1 when something is wrong, 2
// when it was called wrongly.
func run(args []string, s streams) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	exited, status := false, 0
	parser, err := kong.New(&cli{},
		kong.Name("groupmail"),
		kong.Description("GroupMail brings a team's shared mailbox into their chat channel."),
		kong.UsageOnError(), kong.Writers(s.out, s.err), kong.Bind(s),
		kong.Exit(func(code int) { exited, status = true, code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		panic(err) // the tree itself is wrong
	}
	command, err := parser.Parse(args)
	if exited { // help was shown
		return status
	}
	if err != nil {
		return wronglyCalled(err, s)
	}
	ctx, stop := interruptible()
	defer stop()
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(parser)
	err = command.Run()
	var called *kong.ParseError
	switch {
	case exited:
		return status
	case errors.As(err, &called):
		return wronglyCalled(err, s)
	case errors.Is(err, errTold):
		return 1
	case err != nil:
		fmt.Fprintln(s.err, faultText(err))
		return 1
	}
	return 0
}

func wronglyCalled(err error, s streams) int {
	fmt.Fprintf(s.err, "groupmail: %v\n", err)
	fmt.Fprintln(s.err, "groupmail help explains the commands.")
	return 2
}

// faultText leaves the lines of a faulty configuration as they are: editors can jump to them.
func faultText(err error) string {
	var file *FaultyFile
	if errors.As(err, &file) {
		return file.Error()
	}
	return "groupmail: " + err.Error()
}

// interruptible ends with Ctrl-C or a polite kill. The second one ends the process at once.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel) // signals do again what they did before
	return ctx, cancel
}

type demoCommand struct {
	Listen   string        `placeholder:"HOST:PORT" help:"Address of the pages, on this machine. Default: the first free port from 127.0.0.1:8420 on."`
	Data     string        `placeholder:"DIR" help:"Keep everything in this folder, and take it up again the next time."`
	Mbox     string        `placeholder:"FILE" help:"Begin with the mail of this mbox file instead of the samples."`
	Eml      string        `placeholder:"DIR" help:"Begin with the *.eml files of this folder instead of the samples."`
	Undo     time.Duration `default:"10s" help:"How long a reply can be stopped before it is sent."`
	LogLevel slog.Level    `default:"warn" help:"debug, info, warn or error."`
}

func (c *demoCommand) Run(ctx context.Context, s streams) error {
	log := slog.New(LogConfig{Level: c.LogLevel}.handler(s.err))
	d, err := OpenDemo(ctx, DemoConfig{Listen: c.Listen, Data: c.Data, Mbox: c.Mbox, EML: c.Eml, Undo: c.Undo}, log)
	if err != nil {
		return err
	}
	d.Welcome(s.out)
	return d.Run(ctx)
}

type configFlag struct {
	Config string `short:"c" default:"groupmail.toml" placeholder:"FILE" help:"Configuration file (default: groupmail.toml). The example is deploy/groupmail.example.toml."`
}

// load reads the configuration and tells the warnings.
func (c configFlag) load(s streams) (Config, error) {
	cfg, warnings, err := Load(c.Config)
	for _, w := range warnings {
		fmt.Fprintln(s.err, w)
	}
	return cfg, err
}

type serveCommand struct{ configFlag }

func (c *serveCommand) Run(ctx context.Context, s streams) error {
	cfg, err := c.load(s)
	if err != nil {
		return err
	}
	log := slog.New(cfg.Log.handler(s.err))
	app, err := Open(ctx, cfg, Wiring{}, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "GroupMail  %s\n", version())
	app.Describe(s.out)
	return app.Run(ctx)
}

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command to explain, or chat."`
}

func (c *helpCommand) Run(parser *kong.Kong, s streams) error {
	if len(c.Command) == 1 && c.Command[0] == "chat" {
		for _, line := range bot.Help() {
			fmt.Fprintln(s.out, line)
		}
		return nil
	}
	_, err := parser.Parse(append(c.Command, "--help")) // shows it, and exits
	return err
}

type versionCommand struct{}

func (versionCommand) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "groupmail", version())
	return err
}

// version is what the go command has noted of the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	return v
}
