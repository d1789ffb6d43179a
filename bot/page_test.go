package bot

import (
	"fmt"
	"strings"
	"testing"
)

// TestPage: a member's page has what they have, and then what waits, longest first, with buttons that act
// on the board; somebody from elsewhere sees nothing of it.
func TestPage(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 3 {
		w.arrives(fmt.Sprintf("Subject %d", i), "text")
	}
	w.click(0, w.card("Subject 1"), "take")
	w.until("it is taken", func() bool { return strings.Contains(w.board(), "Taken by Ann") })

	page := w.chat.hub.Page(t.Context(), people[0])
	if len(page.Sections) != 2 {
		t.Fatalf("%d sections: %+v", len(page.Sections), page)
	}
	mine, queue := page.Sections[0], page.Sections[1]
	if len(mine.Items) != 1 || !strings.Contains(text(mine.Items[0]), "Subject 1") || mine.Channel != "board" {
		t.Errorf("mine: %+v", mine)
	}
	if len(queue.Items) != 2 || !strings.Contains(text(queue.Items[0]), "Subject 0") || !strings.Contains(text(queue.Items[1]), "Subject 2") {
		t.Errorf("queue: %+v", queue)
	}
	b := queue.Items[0].Buttons[0]
	if answer := w.chat.hub.Click(t.Context(), Click{Event: "page-1", Who: people[0], Channel: queue.Channel, Button: b.ID, Value: b.Value}); answer.Whisper != nil {
		t.Errorf("Take on the page: %+v", answer)
	}
	if page = w.chat.hub.Page(t.Context(), people[0]); len(page.Sections[0].Items) != 2 || len(page.Sections[1].Items) != 1 {
		t.Errorf("after Take: %+v", page)
	}
	if page = w.chat.hub.Page(t.Context(), people[1]); len(page.Sections[0].Items) != 0 || len(page.Sections[1].Items) != 1 {
		t.Errorf("Ben's: %+v", page)
	}
	for _, stranger := range []Person{{ID: "eve", Name: "Eve"}, people[2]} {
		page = w.chat.hub.Page(t.Context(), stranger)
		if len(page.Sections) != 1 || len(page.Sections[0].Items) != 0 || strings.Contains(fmt.Sprint(page), "Subject") {
			t.Errorf("%s sees %+v", stranger.Name, page)
		}
	}
}
