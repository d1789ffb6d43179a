package testbed

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms are the parts of GroupMail and what each may import of ours; the arrows
// run one way. A package below a room belongs to it.
var rooms = map[string][]string{
	"ticketing":             {},
	"store":                 {"ticketing"},
	"bot":                   {"ticketing"},
	"wiki":                  {"ticketing"},
	"connectors/message":    {"ticketing"},
	"connectors/account":    {},
	"connectors/mailbox":    {"ticketing", "connectors/account", "connectors/message"},
	"connectors/imap":       {"ticketing", "connectors/account", "connectors/message", "connectors/mailbox"},
	"connectors/pop3":       {"ticketing", "connectors/account", "connectors/message", "connectors/mailbox"},
	"connectors/mbox":       {"ticketing", "connectors/account", "connectors/message", "connectors/mailbox"},
	"connectors/maildir":    {"ticketing", "connectors/account", "connectors/message", "connectors/mailbox"},
	"connectors/smtp":       {"ticketing", "connectors/account", "connectors/message"},
	"connectors/emoji":      {},
	"connectors/slack":      {"ticketing", "bot", "connectors/emoji"},
	"connectors/mattermost": {"ticketing", "bot", "connectors/emoji"},
	"connectors/browser":    {"ticketing", "bot"},
	"deploy/groupmail":      {everything},
	"deploy/benchmark":      {},
	"deploy/testbed":        {},
}

const (
	everything = "everything"
	module     = "groupmail"
)

// TestRooms compares the table with what the packages import; tests may import
// what they like.
func TestRooms(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir = moduleRoot
	var stderr strings.Builder
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for _, complaint := range checkImports(fields[0], fields[1:]) {
			t.Error(complaint)
		}
	}
}

func TestCheckImports(t *testing.T) {
	for _, test := range []struct {
		pkg     string
		imports string
		ok      bool
	}{
		{"ticketing", "context groupmail/ticketing/internal/rules", true},
		{"ticketing", "golang.org/x/text/cases", false},
		{"ticketing", "groupmail/store", false},
		{"store", "gorm.io/gorm groupmail/ticketing", true},
		{"store/migrate", "gorm.io/gorm", true},
		{"wiki", "gorm.io/gorm", false},
		{"bot", "groupmail/connectors/slack", false},
		{"connectors/imap", "groupmail/connectors/mailbox groupmail/ticketing", true},
		{"connectors/imap", "groupmail/connectors/mailboxes", false},
		{"deploy/groupmail", "groupmail/store groupmail/bot", true},
		{"deploy/groupmail", "groupmail/deploy/testbed", false},
		{"deploy/testbed", "groupmail/ticketing", false},
		{"helpers", "", false},
	} {
		complaints := checkImports(module+"/"+test.pkg, strings.Fields(test.imports))
		if test.ok != (len(complaints) == 0) {
			t.Errorf("%s imports %q: %v", test.pkg, test.imports, complaints)
		}
	}
}

// checkImports says what is wrong with the imports of one of our packages.
func checkImports(pkg string, imports []string) (complaints []string) {
	room := roomOf(pkg)
	if room == "" {
		return []string{pkg + " is in no room: move it into one, or add its room to the architecture's table and to this test"}
	}
	for _, imported := range imports {
		other := roomOf(imported)
		switch ours := strings.HasPrefix(imported, module+"/"); {
		case other == "deploy/testbed" && room != other:
			complaints = append(complaints, pkg+" imports the test bed outside of its tests")
		case ours && other != room && !slices.Contains(rooms[room], other) && !slices.Contains(rooms[room], everything):
			complaints = append(complaints, pkg+" must not import "+imported+": "+room+" may import "+may(rooms[room]))
		case strings.HasPrefix(imported, "gorm.io/") && room != "store":
			complaints = append(complaints, pkg+" must not import "+imported+": only store knows gorm")
		case room == "ticketing" && !ours && strings.Contains(strings.SplitN(imported, "/", 2)[0], "."):
			complaints = append(complaints, pkg+" must not import "+imported+": ticketing imports only the standard library")
		}
	}
	return complaints
}

// roomOf is the room that one of our packages belongs to, if any.
func roomOf(pkg string) string {
	for room := range rooms {
		if path := module + "/" + room; pkg == path || strings.HasPrefix(pkg, path+"/") {
			return room
		}
	}
	return ""
}

func may(others []string) string {
	if len(others) == 0 {
		return "nothing of ours"
	}
	return strings.Join(others, ", ")
}
