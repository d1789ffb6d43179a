// Package emoji knows emoji by the names that chat platforms give them. It is shared by the
// platforms' connectors, since both Slack's and Mattermost's names are those of iamcal's emoji-data.
package emoji

import (
	"fmt"
	"strings"

	"github.com/mattermost/mattermost/server/public/model"
)

// Replace turns :smile: into the emoji itself; codes of a server's own emoji stay.
func Replace(text string) string {
	if strings.Count(text, ":") < 2 {
		return text
	}
	parts := strings.Split(text, ":")
	var b strings.Builder
	b.WriteString(parts[0])
	for i := 1; i < len(parts); i++ {
		before := parts[i-1]
		if i < len(parts)-1 && (before == "" || !wordRune(rune(before[len(before)-1]))) { // not in 12:100:00
			if e := named(parts[i]); e != "" {
				b.WriteString(e)
				i++
				b.WriteString(parts[i])
				continue
			}
		}
		b.WriteByte(':')
		b.WriteString(parts[i])
	}
	return b.String()
}

func named(name string) string {
	points := model.SystemEmojis[name] // "1f469-1f3fb-200d-2695-fe0f"
	if points == "" || name == "" {
		return ""
	}
	var b strings.Builder
	for hex := range strings.SplitSeq(points, "-") {
		var r rune
		if _, err := fmt.Sscanf(hex, "%x", &r); err != nil {
			return ""
		}
		b.WriteRune(r)
	}
	return b.String()
}

func wordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
