package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"groupmail/ticketing"
)

// remember is a to-do's way: it is written down, falls due, and is done by whose it is. Each of its steps may be
// killed once; then a person does what they would do.
func (o *office) remember(crashes map[string]crash) {
	o.t.Helper()
	o.ready()
	o.dovecot.Deliver("help", []byte(customerMail))
	o.pressUntil("card", "New", "Take", "Taken by")
	o.shows("hint", "")
	o.number = o.ticketNumber()
	o.chat.whispered("ann")

	var asked chatPost
	o.arm(crashes["write"])
	o.patiently("it is shown back", func() bool {
		asked = o.chat.whispered("ann")
		return asked.buttons["OK"] != "" && strings.Contains(asked.words, "call Maria")
	}, func() {
		o.chat.command("ann", "/mail todo call Maria tomorrow 10:00 @"+o.chat.handle("ben")+" #"+o.number)
	})
	var due time.Time
	o.patiently("it is written down", func() bool {
		return o.query(`SELECT due FROM todos WHERE text = 'call Maria' AND conversation <> 0 AND done IS NULL`, &due) == nil
	}, func() { o.chat.press("ann", asked, "OK") })
	o.revive()
	if h, m, _ := due.UTC().Clock(); h != 10 || m != 0 || due.Before(time.Now()) {
		o.t.Errorf("it is due %s", due)
	}

	o.arm(crashes["remind"])
	var id int64
	o.eventually("it is due", func() bool {
		return o.query(`UPDATE todos SET due = now() - interval '1 second' RETURNING id`, &id) == nil
	})
	o.shows("todo", "call Maria")
	var told chatPost
	o.eventually("Ben is reminded", func() bool {
		for _, p := range o.chat.direct("ben") {
			if strings.HasPrefix(p.Key, "todo:") && !strings.HasPrefix(p.Key, "todo:given.") {
				told = p
			}
		}
		return told.ID != ""
	})
	o.revive()

	o.arm(crashes["done"])
	o.patiently("it is done", func() bool { return o.find("todo", "Done").ID != "" }, func() { o.chat.press("ben", told, "Done") })
	o.eventually("Ben sees that", func() bool {
		for _, p := range o.chat.direct("ben") {
			if p.ID == told.ID && strings.Contains(p.words, "Done") && p.buttons["Undo"] != "" {
				return true
			}
		}
		return false
	})
	o.revive()

	var todos int
	if err := o.query(`SELECT count(*) FROM todos`, &todos); err != nil || todos != 1 {
		o.t.Errorf("there are %d to-dos, %v", todos, err)
	}
	once := map[string]int{}
	for _, p := range o.chat.direct("ben") {
		once[p.Key]++
	}
	for key, n := range once {
		if n != 1 && key != "" {
			o.t.Errorf("Ben was told %d times of %s", n, key)
		}
	}
	reminded := 0
	for key := range o.onceEach() {
		if strings.HasPrefix(key, "todo:") {
			reminded++
		}
	}
	if done := o.moves(); reminded != 1 || done[ticketing.LogTodo] != 1 || done[ticketing.LogTodoDue] != 1 || done[ticketing.LogTodoDone] != 1 {
		o.t.Errorf("%d reminders in the thread; the log has %v", reminded, done)
	}
}

// TestTodo: on a chat platform something is written down in plain words, its owner is reminded in the thread and
// alone, and does it.
func TestTodo(t *testing.T) {
	onEach(t, func(t *testing.T, on func(*office) chat) {
		newOffice(t, on).remember(nil)
	})
}

// TestTodoKilledAnywhere kills the process at each step of that.
func TestTodoKilledAnywhere(t *testing.T) {
	kills := map[string][]crash{
		"write":  {{"commit", 1}, {"commit done", 1}},
		"remind": {{"post", 1}, {"post done", 1}, {"post", 2}, {"post done", 2}},
		"done":   {{"commit", 1}, {"commit done", 1}, {"patch", 1}, {"patch done", 1}, {"patch done", 2}},
	}
	if testing.Short() {
		kills = map[string][]crash{"remind": {{"post done", 1}}}
	}
	for step, crashes := range kills {
		for _, c := range crashes {
			t.Run(fmt.Sprintf("%s, %s %d", step, c.at, c.n), func(t *testing.T) {
				t.Parallel()
				newOffice(t, onMattermost).remember(map[string]crash{step: c})
			})
		}
	}
}
