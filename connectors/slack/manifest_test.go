package slack

import (
	"encoding/json"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"groupmail/bot"
)

// manifestJSON is the manifest as the stand-in takes it.
func manifestJSON(t *testing.T, address string) []byte {
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
