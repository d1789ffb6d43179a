package slacktest

import (
	"context"
	"sync"
	"time"
)

// Clock is the time of the stand-in: the machine's, which can be set forward, and stopped.
type Clock struct {
	mu      sync.Mutex
	offset  time.Duration
	frozen  time.Time // zero: it runs
	changed chan struct{}
}

// NewClock is a clock that shows the machine's time.
func NewClock() *Clock { return &Clock{changed: make(chan struct{})} }

// Now is the time it shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if !c.frozen.IsZero() {
		return c.frozen
	}
	return time.Now().Add(c.offset)
}

// Advance sets it forward by d. What falls due meanwhile happens.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen.IsZero() {
		c.offset += d
	} else {
		c.frozen = c.frozen.Add(d)
	}
	c.wake()
}

// Stop stops it: it moves by Advance alone.
func (c *Clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = c.now()
	c.wake()
}

func (c *Clock) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait returns when it shows at, or with false when ctx or stop ends first.
func (c *Clock) wait(ctx context.Context, at time.Time, stop <-chan struct{}) bool {
	for {
		c.mu.Lock()
		left, changed, frozen := at.Sub(c.now()), c.changed, !c.frozen.IsZero()
		c.mu.Unlock()
		if left <= 0 {
			return true
		}
		var due <-chan time.Time
		var timer *time.Timer
		if !frozen {
			timer = time.NewTimer(left)
			due = timer.C
		}
		select {
		case <-due:
		case <-changed:
		case <-stop:
			if timer != nil {
				timer.Stop()
			}
			return false
		case <-ctx.Done():
			if timer != nil {
				timer.Stop()
			}
			return false
		}
		if timer != nil {
			timer.Stop()
		}
	}
}
