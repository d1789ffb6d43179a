package slacktest

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed methods/*.json
var methodFiles embed.FS

// method is what a definition in methods/ says about a Web API method.
type method struct {
	Name   string `json:"-"`
	HTTP   string `json:"http_method"`
	JSON   bool   `json:"json_input_supported"`
	Limits string `json:"rate_limits"`
	Scope  scopes `json:"scope"`
	Args   struct {
		Required   []string            `json:"required"`
		Properties map[string]argument `json:"properties"`
	} `json:"args"`
	Errors map[string]any `json:"errors"`
	run    func(*Server, *call) (object, error)
	token  tokenKind
}

type argument struct {
	Type    string     `json:"type"`
	AnyOf   []argument `json:"anyOf"`
	AllOf   []argument `json:"allOf"`
	Enum    []any      `json:"enum"`
	Schema  string     `json:"schema"`
	Minimum *float64   `json:"minimum"`
	Maximum *float64   `json:"maximum"`
	MaxLen  int        `json:"maxLength"`
}

// scopes of a bot; a file writes {} where there are none.
type scopes struct {
	Bot           []string `json:"bot"`
	Configuration []string `json:"configuration"`
}

type tokenKind int

const (
	botToken tokenKind = iota
	appToken
	configToken
	noToken
)

// methods are the definitions with what carries them out, by name.
var methods = sync.OnceValue(func() map[string]*method {
	all := map[string]*method{}
	add := func(name string, data []byte) {
		m := &method{Name: name}
		if err := json.Unmarshal(data, m); err != nil {
			panic(fmt.Sprintf("slacktest: methods/%s.json: %v", name, err))
		}
		all[name] = m
	}
	files, err := methodFiles.ReadDir("methods")
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		data, err := methodFiles.ReadFile("methods/" + f.Name())
		if err != nil {
			panic(err)
		}
		add(strings.TrimSuffix(f.Name(), ".json"), data)
	}
	for name, definition := range undescribed {
		add(name, []byte(definition))
	}
	for name, run := range runs {
		all[name].run = run
	}
	all["apps.connections.open"].token = appToken
	all["apps.manifest.validate"].token = configToken
	all["blocks.validate"].token = noToken
	return all
})

// undescribed are methods that have no file: after https://docs.slack.dev/reference/methods/pins.add
// and its neighbours.
var undescribed = map[string]string{
	"pins.add": `{"http_method": "POST", "json_input_supported": true, "rate_limits": "t2", "scope": {"bot": ["pins:write"]},
		"args": {"required": ["token", "channel"], "properties": {"token": {"type": "string"}, "channel": {"type": "string"}, "timestamp": {"type": "string"}}}}`,
	"pins.remove": `{"http_method": "POST", "json_input_supported": true, "rate_limits": "t2", "scope": {"bot": ["pins:write"]},
		"args": {"required": ["token", "channel"], "properties": {"token": {"type": "string"}, "channel": {"type": "string"}, "timestamp": {"type": "string"}}}}`,
	"users.getPresence": `{"http_method": "GET", "json_input_supported": true, "rate_limits": "t3", "scope": {"bot": ["users:read"]},
		"args": {"required": ["token"], "properties": {"token": {"type": "string"}, "user": {"type": "string"}}}}`,
	"pins.list": `{"http_method": "GET", "rate_limits": "t2", "scope": {"bot": ["pins:read"]},
		"args": {"required": ["token", "channel"], "properties": {"token": {"type": "string"}, "channel": {"type": "string"}}}}`,
}

var runs = map[string]func(*Server, *call) (object, error){
	"auth.test":                    (*Server).authTest,
	"apps.connections.open":        (*Server).connectionsOpen,
	"apps.manifest.validate":       (*Server).manifestValidate,
	"blocks.validate":              (*Server).blocksValidate,
	"bots.info":                    (*Server).botsInfo,
	"team.info":                    (*Server).teamInfo,
	"users.info":                   (*Server).usersInfo,
	"users.getPresence":            (*Server).usersGetPresence,
	"users.list":                   (*Server).usersList,
	"users.lookupByEmail":          (*Server).usersLookupByEmail,
	"chat.postMessage":             (*Server).chatPostMessage,
	"chat.postEphemeral":           (*Server).chatPostEphemeral,
	"chat.update":                  (*Server).chatUpdate,
	"chat.delete":                  (*Server).chatDelete,
	"chat.getPermalink":            (*Server).chatGetPermalink,
	"conversations.info":           (*Server).conversationsInfo,
	"conversations.list":           (*Server).conversationsList,
	"conversations.members":        (*Server).conversationsMembers,
	"conversations.history":        (*Server).conversationsHistory,
	"conversations.replies":        (*Server).conversationsReplies,
	"conversations.open":           (*Server).conversationsOpen,
	"conversations.join":           (*Server).conversationsJoin,
	"views.open":                   (*Server).viewsOpen,
	"views.push":                   (*Server).viewsPush,
	"views.update":                 (*Server).viewsUpdate,
	"views.publish":                (*Server).viewsPublish,
	"files.getUploadURLExternal":   (*Server).filesGetUploadURL,
	"files.completeUploadExternal": (*Server).filesCompleteUpload,
	"files.info":                   (*Server).filesInfo,
	"pins.add":                     (*Server).pinsAdd,
	"pins.remove":                  (*Server).pinsRemove,
	"pins.list":                    (*Server).pinsList,
	"reactions.add":                (*Server).reactionsAdd,
	"reactions.remove":             (*Server).reactionsRemove,
}

// object is a JSON object.
type object = map[string]any

// refusal is how the Web API says no: HTTP 200, ok false, a code.
type refusal struct {
	code     string
	messages []string // of response_metadata
	more     object
}

func (r *refusal) Error() string {
	if len(r.messages) == 0 {
		return r.code
	}
	return r.code + ": " + strings.Join(r.messages, "; ")
}

func refuse(code string, messages ...string) *refusal {
	return &refusal{code: code, messages: messages}
}

// invalid is invalid_arguments: messages with pointers to what is wrong.
func invalid(messages ...string) *refusal {
	for i, m := range messages {
		messages[i] = "[ERROR] " + m
	}
	return refuse("invalid_arguments", messages...)
}

// decode reads one JSON value and nothing after it. Numbers keep their spelling.
func decode(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

// arguments checks form or JSON arguments against the definition, and gives them typed: string, bool,
// float64, and for what is structured the decoded value.
func (m *method) arguments(form url.Values, body object, lenient bool) (object, error) {
	args, faults := object{}, []string{}
	for name, values := range form {
		if len(values) > 1 {
			faults = append(faults, "duplicate argument: "+name)
			continue
		}
		args[name] = values[0]
	}
	for name, v := range body {
		args[name] = v
	}
	delete(args, "token")
	delete(args, "team_id") // Slack's own clients send it with every call
	for name, v := range args {
		def, known := m.Args.Properties[name]
		if !known {
			if !lenient {
				faults = append(faults, "invalid additional property: "+name)
			}
			delete(args, name)
			continue
		}
		typed, fault := def.coerce(v)
		switch _, isText := typed.(string); {
		case fault == "" && typed != nil && !isText && def.isString() && !slices.Contains(structured, name):
			faults = append(faults, "must provide a string [json-pointer:/"+name+"]")
		case fault != "":
			faults = append(faults, fault+" [json-pointer:/"+name+"]")
		case typed == nil:
			delete(args, name)
		default:
			args[name] = typed
		}
	}
	for _, name := range m.Args.Required {
		// An empty argument counts as missing for what names something.
		if v, given := args[name]; name != "token" && (!given || v == "") {
			faults = append(faults, "missing required field: "+name)
		}
	}
	if len(faults) != 0 {
		slices.Sort(faults)
		return nil, invalid(faults...)
	}
	return args, nil
}

// structured are arguments that the definitions call strings, and that JSON bodies carry as values.
var structured = []string{"blocks", "attachments", "metadata", "view", "message", "manifest", "files"}

func (a argument) isString() bool {
	return a.Type == "string" || slices.ContainsFunc(a.AnyOf, argument.isString)
}

func (a argument) coerce(v any) (typed any, fault string) {
	if v == nil {
		return nil, ""
	}
	if len(a.AnyOf) != 0 {
		for _, alternative := range a.AnyOf {
			if typed, fault = alternative.coerce(v); fault == "" {
				return typed, ""
			}
		}
		return nil, fault
	}
	for _, part := range a.AllOf {
		if part.Type != "" {
			a.Type = part.Type
		}
	}
	switch a.Type {
	case "boolean":
		switch v {
		case true, "true", "1":
			return true, ""
		case false, "false", "0", "":
			return false, ""
		}
		if n, ok := v.(json.Number); ok && (n == "0" || n == "1") {
			return n == "1", ""
		}
		return nil, "must be a boolean"
	case "number", "integer":
		s, ok := v.(string)
		if n, isNumber := v.(json.Number); isNumber {
			s, ok = n.String(), true
		}
		f, err := strconv.ParseFloat(s, 64)
		switch {
		case ok && s == "":
			return nil, ""
		case !ok, err != nil, math.IsNaN(f), math.IsInf(f, 0), a.Type == "integer" && f != math.Trunc(f):
			return nil, "must be a valid number"
		case a.Minimum != nil && f < *a.Minimum:
			return nil, fmt.Sprintf("must be greater than or equal to %v", *a.Minimum)
		case a.Maximum != nil && f > *a.Maximum:
			return nil, fmt.Sprintf("must be less than or equal to %v", *a.Maximum)
		}
		return f, ""
	case "array":
		if s, ok := v.(string); ok {
			d, err := decode([]byte(s))
			if err != nil {
				return nil, "must be a valid JSON array"
			}
			v = d
		}
		if _, ok := v.([]any); !ok {
			return nil, "must provide an array"
		}
		return v, ""
	case "string":
		switch v := v.(type) {
		case string:
			if a.MaxLen != 0 && length(v) > a.MaxLen {
				return nil, fmt.Sprintf("must be less than %d characters", a.MaxLen+1)
			}
			if len(a.Enum) != 0 && !slices.Contains(a.Enum, any(v)) {
				return nil, "must be a valid enum value"
			}
			return v, ""
		case json.Number:
			return v.String(), ""
		case []any, object: // blocks and the like in a JSON body; each method decodes them
			return v, ""
		}
		return nil, "must provide a string"
	case "null":
		return nil, "must be null"
	}
	switch v.(type) { // schema, object: decoded by the method
	case string, object, []any:
		return v, ""
	}
	return nil, "must provide an object"
}
