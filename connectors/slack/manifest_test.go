package slack

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"groupmail/bot"
)

// manifestJSON is the manifest as the stand-in takes it.
func manifestJSON(t testing.TB, address string) []byte {
	t.Helper()
	text := Manifest(ManifestConfig{HTTP: address, Commands: bot.CommandList()})
	var m map[string]any
	if err := yaml.NewDecoder(strings.NewReader(text)).Decode(&m); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestManifest: Slack's own schema takes the description of the app, and it asks for what the connector
// uses and nothing else. That it asks for enough the other tests show: the stand-in grants just this.
func TestManifest(t *testing.T) {
	f, err := os.Open("testdata/manifest/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	document, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("manifest.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"", "https://groupmail.example.org"} {
		manifest := manifestJSON(t, address)
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(manifest))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%q: %v", address, err)
		}
		var m struct {
			Settings struct {
				Socket bool `json:"socket_mode_enabled"`
				Events struct {
					URL  string   `json:"request_url"`
					Bots []string `json:"bot_events"`
				} `json:"event_subscriptions"`
			} `json:"settings"`
			OAuth struct {
				Scopes struct{ Bot []string } `json:"scopes"`
			} `json:"oauth_config"`
		}
		if err := json.Unmarshal(manifest, &m); err != nil {
			t.Fatal(err)
		}
		if m.Settings.Socket != (address == "") || (m.Settings.Events.URL == "") != (address == "") {
			t.Errorf("%q: %+v", address, m.Settings)
		}
		var asked []string
		for _, s := range Scopes {
			if !s.Optional {
				asked = append(asked, s.Name)
			}
		}
		if !slices.Equal(m.OAuth.Scopes.Bot, asked) || slices.Contains(asked, "chat:write.public") || slices.Contains(asked, "users:read.email") {
			t.Errorf("asks for %q", m.OAuth.Scopes.Bot)
		}
		if link := CreateLink(Manifest(ManifestConfig{HTTP: address})); !strings.HasPrefix(link, "https://api.slack.com/apps?new_app=1&manifest_yaml=") || strings.ContainsAny(link, " \n") {
			t.Errorf("link %s", link)
		}
	}
}
