package bot

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
)

// Platform is one chat platform as the bot uses it: a workspace or server, with the bot's account.
// All methods may be called at once by many goroutines. Text is data: the platform escapes all of
// it in one place, and never lets it mention, ping, link or format.
//
// Errors: ErrGone, ErrNoChannel, ErrLimited as their comments say; anything else may pass, and is
// tried again later.
type Platform interface {
	// Name is the platform's word in the configuration and in member ids: "mattermost".
	Name() string
	// Post posts m once and returns the id of the message. Its files are uploaded first. The
	// message carries m.Key and m.Version where people do not see them and Find does.
	Post(ctx context.Context, channel string, m Message) (message string, err error)
	// Redraw makes a message that the bot posted look like m. Files stay as they were.
	// ErrGone: the message was deleted.
	Redraw(ctx context.Context, channel, message string, m Message) error
	// Pin keeps a message of the bot's where everybody finds it. It is harmless when done twice.
	// ErrGone: the message was deleted.
	Pin(ctx context.Context, channel, message string) error
	// Find returns the id of the bot's message with this key posted not before since, in the thread of
	// root or, if root is empty, in the channel itself; "" if there is none. It is asked before anything
	// is posted a second time.
	Find(ctx context.Context, channel, root, key string, since time.Time) (message string, err error)
	// Tell says something to one member alone: a whisper under root (or in the channel if root is
	// empty) where the platform lets bots whisper unasked, else a direct message.
	Tell(ctx context.Context, channel, root, member string, m Message) error
	// DirectChannel is the channel of the direct messages to a member; Post, Redraw, Find and Link take it.
	// ErrGone: nobody can write to them any more.
	DirectChannel(ctx context.Context, member string) (channel string, err error)
	// Members lists the people present in a channel, bots left out, guests marked.
	Members(ctx context.Context, channel string) ([]Person, error)
	// Channel describes a channel that the bot is in. ErrNoChannel: there is none, or the bot is not in it.
	Channel(ctx context.Context, channel string) (Channel, error)
	// Download streams a file that a Said carried.
	Download(ctx context.Context, file File) (io.ReadCloser, error)
	// Mention is what a thread message begins with to be a Said.ToBot: "@groupmail"; "" if it cannot be
	// had just now.
	Mention(ctx context.Context) string
	// Link is an address that shows the message to a member.
	Link(channel, message string) string
	// Run hears what people do and tells hub, until ctx ends; it reconnects by itself and catches up
	// on what was said meanwhile (Said.Late). It returns only when ctx has ended and every call to hub has
	// returned.
	Run(ctx context.Context, hub Hub) error
	// Connected tells whether what people do is heard just now.
	Connected() bool
	// Echoes tells whether a message given back in Answer.Redraw is certain to be reported by
	// Hub.Drawn once everybody sees it. Where it is false the bot redraws by Redraw.
	Echoes() bool
}

var (
	// ErrGone: the message was deleted, and the bot posts anew what is still wanted; or the member has left.
	ErrGone = errors.New("the message is gone")
	// ErrNoChannel: there is no such channel, or the bot is not in it.
	ErrNoChannel = errors.New("no such channel, or the bot is not a member of it")
	// ErrNoAccess: the platform no longer takes the bot's account: its token was revoked, or lacks a right.
	ErrNoAccess = errors.New("the platform refuses the bot's token")
	// ErrTooMuch: a file or text is larger than the platform takes.
	ErrTooMuch = errors.New("more than the platform takes")
)

// Limited says that the platform wants no call of this kind before After.
type Limited struct{ After time.Duration }

func (l Limited) Error() string { return "rate limited, again after " + l.After.String() }

// Hub is what a platform tells the bot (Bot implements it). Each call carries a key that is the
// same when the platform repeats itself, also to another process; the bot makes repeats harmless.
// The platform has authenticated the caller: who it is, and that the button or form is the bot's own.
type Hub interface {
	Click(ctx context.Context, c Click) Answer
	Submit(ctx context.Context, s Submission) Answer
	Command(ctx context.Context, c Command) Answer
	// Said takes what a person wrote in a channel's thread. An error means that it was not kept:
	// the platform does not move its cursor past it and says it again later.
	Said(ctx context.Context, s Said) error
	// Drawn reports that everybody now sees this version of the message (an echo of our own writing).
	Drawn(ctx context.Context, channel, message, key string, version int64)
	// Lost reports that somebody deleted a message of the bot's.
	Lost(ctx context.Context, channel, message string)
	// Cursor is how far a channel has been heard; SetCursor keeps it. It is the platform's own word.
	Cursor(ctx context.Context, channel string) (string, error)
	SetCursor(ctx context.Context, channel, cursor string) error
	// Complete offers endings for a command line that is being typed, for platforms that ask.
	Complete(ctx context.Context, c Command) []Completion
	// Commands are the declared commands, for registration with the platform.
	Commands() []CommandInfo
	// Boards are the channels that belong to groups, on this platform.
	Boards() []string
	// Page is a member's own page, for platforms that have one.
	Page(ctx context.Context, who Person) Page
}

// Page is what concerns one member, in all channels where they are one.
type Page struct{ Sections []Section }

// Section is a part of a page. Its messages' buttons are about Channel.
type Section struct {
	Channel string
	Title   string
	Lines   []Line // said before the messages
	Items   []Message
}

// Person is somebody's account on a platform.
type Person struct {
	ID     string // the platform's own id, without the platform's name
	Handle string // what is typed after @
	Name   string // what people call them
	Guest  bool
	Email  string // if the platform tells
}

// Channel describes a channel.
type Channel struct {
	ID, Title string
	Private   bool
	Guests    bool // at least one guest is in it
}

// Message is anything that the bot posts: a card, a line in a thread, a whisper. Texts are plain
// and unescaped. Parts that are empty are left out; they are shown in the order of the fields.
type Message struct {
	Key     string // of the post; empty for whispers and direct messages
	Version int64
	Root    string // id of the message whose thread it goes to; empty: the channel itself
	About   string // the channel that its buttons are about, and their Click names; empty: the one where it stands

	Notice  string // what a notification shows and a screen reader reads first; one line
	Tone    Tone   // the colour at the side; never the only sign of anything
	Status  Line   // first line: state, time, who
	Title   string // subject; shown strong; one line
	Lines   []Line // the bot's own words
	Quote   string // words from outside (mail text); many lines, shown apart from the bot's own
	Clipped bool   // Quote is not all of it
	Footer  Line
	Buttons []Button
	Files   []Upload // only when posted, never when redrawn
	// Until is when a whisper is of no more use; where the platform can, it is gone then. Zero: it stays.
	Until time.Time
}

// Members are those whose names m shows, each once.
func (m Message) Members() []string {
	var ids []string
	for _, l := range append([]Line{m.Status, m.Footer}, m.Lines...) {
		for _, s := range l {
			if s.Member != "" && !slices.Contains(ids, s.Member) {
				ids = append(ids, s.Member)
			}
		}
	}
	return ids
}

// Line is one line made of spans.
type Line []Span

// Words are the line's as they are said without markup; member and at say how members and times are.
func (l Line) Words(member, at func(Span) string) string {
	var b strings.Builder
	for _, s := range l {
		switch {
		case s.Member != "":
			b.WriteString(member(s))
		case !s.Time.IsZero():
			b.WriteString(at(s))
		default:
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

// Span is a piece of a line. At most one of Time, URL and Member is set.
type Span struct {
	Text   string // shown; for Time a fallback is not needed
	Strong bool
	Code   bool      // as typed: a command, an address
	Time   time.Time // shown in the reader's zone where the platform can, else in the group's
	Second bool      // with Time: to the second
	URL    string    // Text links to it; http, https only
	Member string    // platform's id of a member, shown by name; pings nobody
	Ping   bool      // with Member: notifies them, when posted
}

// Tone is the colour of a message.
type Tone string

const (
	Plain      Tone = ""
	Yellow     Tone = "new"
	Red        Tone = "overdue"
	Green      Tone = "taken"
	Blue       Tone = "waiting"
	Grey       Tone = "closed"
	GreyStruck Tone = "spam"
)

// Button is something to press. Platforms authenticate ID, Value and the message's Key together.
type Button struct {
	ID      string // [a-z]+, unique in a message, menus included
	Label   string
	Value   string // handed back in Click; never shown
	Style   Style
	Confirm string   // asked first, where the platform can
	URL     string   // opens this instead of calling the bot
	Opens   bool     // pressing it is answered with a form, unless it is refused
	Menu    []Button // not empty: opens a menu of these; no ID then. Only the last button of a message
}

// Style of a button.
type Style string

const (
	Default Style = ""
	Primary Style = "primary" // at most one a message
	Danger  Style = "danger"
)

// Upload is a file to be posted.
type Upload struct {
	Name, Type string
	Size       int64
	Open       func(ctx context.Context) (io.ReadCloser, error)
}

// File is a file that a person posted.
type File struct {
	ID, Name, Type string
	Size           int64
}

// Click is a pressed button.
type Click struct {
	Event   string // unique key of this press
	Who     Person
	Channel string // that the button is about: Message.About, or where it stands
	Message string // id of the message pressed; empty for a whisper that has none
	Key     string // Message.Key it was posted with
	Button  string // Button.ID
	Value   string // Button.Value
}

// Command is a typed slash command.
type Command struct {
	Event   string
	Who     Person
	Channel string
	Root    string // thread that it was typed in; empty if none or unknown
	Name    string // "mail"
	Text    string // all after the name
}

// Submission is a filled-in form.
type Submission struct {
	Event   string
	Who     Person
	Channel string            // where the form was opened; may be empty if the platform does not tell
	State   string            // Form.State
	Values  map[string]string // by FormField.Name; a check is "true" or ""
}

// Said is what a person wrote, changed or deleted in a channel's thread.
type Said struct {
	Event   string // the same for a repetition, another for each edit
	Who     Person
	Channel string
	Root    string
	Message string
	Kind    SaidKind
	// Text is what a reader sees as plain text, names, links and emoji resolved, without the
	// mention that it begins with.
	Text  string
	ToBot bool // it begins with the bot's mention
	Files []File
	At    time.Time // when it was first written, by the platform's clock
	Late  bool      // heard by catching up, not live
}

// SaidKind says what happened to a message.
type SaidKind string

const (
	Written SaidKind = "new"
	Edited  SaidKind = "edited"
	Deleted SaidKind = "deleted"
)

// Answer is what the bot says to whoever pressed, typed or submitted. All parts are optional.
type Answer struct {
	Whisper *Message          // to them alone
	Aside   bool              // Whisper is for where whispers cost nothing: left out where it would be a direct message
	Form    *Form             // opened for them; after a Submit it takes the place of the form that was sent
	Errors  map[string]string // after a Submit: what is wrong with a field (by name); the form stays open with all that was typed. "" is the form itself
	Redraw  *Message          // what the pressed message shall look like from now on (see Platform.Echoes)
}

// Form asks a person for something.
type Form struct {
	Title  string // at most 24 characters
	Intro  []Line // what to know before filling it in
	Quote  string // words from outside; may be clipped by the platform
	Fields []FormField
	Submit string // label of the sending button
	State  string // opaque, signed by the bot for this person; comes back in Submission
}

// FormField is one field of a form.
type FormField struct {
	Name     string // [a-z_]+
	Label    string // at most 24 characters
	Help     string
	Kind     FieldKind
	Value    string
	Options  []Option // Select only
	Required bool
	Max      int // characters; 0: what the platform holds
}

// FieldKind says how a field is filled in.
type FieldKind string

const (
	Short  FieldKind = "short"  // one line
	Long   FieldKind = "long"   // many lines
	Select FieldKind = "select" // one of Options
	Check  FieldKind = "check"  // yes or no
)

// Option is a choice of a Select.
type Option struct{ Value, Label string }

// Completion is one offered ending of a command line.
type Completion struct {
	Text string // the whole command line with it, without the command's name
	Hint string
}

// CommandInfo describes a command for registration: "/mail", its hint and description.
type CommandInfo struct {
	Name, Hint, Description string
	Short                   bool // a convenience beside another: left out where its name is taken
}
