// Package people remembers the accounts of a chat platform for a while, so that not each thing that
// somebody does asks the server who they are. It knows no platform.
package people

import (
	"sync"
	"time"

	"groupmail/bot"
)

// Person is an account.
type Person struct {
	bot.Person
	Bot  bool // no person's
	Gone bool // deactivated
	seen time.Time
}

// Cache holds accounts for Life, and at most Most of them. It may be used by several goroutines at once.
type Cache struct {
	Life time.Duration
	Most int

	mu   sync.Mutex
	byID map[string]Person
}

// Keep remembers who as they are now.
func (c *Cache) Keep(who Person, now time.Time) Person {
	who.seen = now
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil || len(c.byID) >= c.Most {
		c.byID = map[string]Person{}
	}
	c.byID[who.ID] = who
	return who
}

// Known is who has this id, if that was heard not too long ago.
func (c *Cache) Known(id string, now time.Time) (Person, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who, ok := c.byID[id]
	return who, ok && now.Sub(who.seen) < c.Life
}

// Forget is for an account that has changed.
func (c *Cache) Forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, id)
}

// ForgetAll is for when we may have missed the news.
func (c *Cache) ForgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.byID)
}
