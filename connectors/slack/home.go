package slack

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"groupmail/bot"
	"groupmail/bot/hearing"
	"groupmail/bot/plain"
)

const (
	// homePause is the least time between two drawings of somebody's App Home, homeLife how long it is
	// drawn anew after they opened it.
	homePause = 5 * time.Second
	homeLife  = time.Hour
)

// home is who has opened their App Home, and wants it to be up to date.
type home struct {
	mu     sync.Mutex
	opened map[string]time.Time // by user
	wake   chan struct{}        // something has changed
	pause  time.Duration        // homePause; tests hurry

	drawing sync.Mutex // a page that was made before another is not shown after it
}

func (h *home) open(user string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened[user] = now
}

// changed says that cards have changed, and pages with them.
func (h *home) changed() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// viewers are those whose page is drawn anew.
func (h *home) viewers(now time.Time) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for user, at := range h.opened {
		if now.Sub(at) > homeLife {
			delete(h.opened, user)
			continue
		}
		all = append(all, user)
	}
	return all
}

// keepHomes draws the pages of those who look at them, some seconds after something has changed.
func (r *run) keepHomes(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.p.home.wake:
		}
		if !hearing.Pause(ctx, r.p.home.pause) {
			return
		}
		select {
		case <-r.p.home.wake: // in the pause: drawn with the rest
		default:
		}
		for _, user := range r.p.home.viewers(r.p.clock()) {
			if err := r.publish(ctx, user); err != nil {
				r.unpublished(user, err)
				hearing.Pause(ctx, hearing.RetryAfter(err))
			}
		}
	}
}

// unpublished has a page drawn once more, later, unless Slack will never take it.
func (r *run) unpublished(user string, err error) {
	r.p.log.Warn("App Home", "user", user, "error", err)
	var no slack.SlackErrorResponse
	if !errors.As(err, &no) || is(err, "hash_conflict", "ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout") {
		r.p.home.changed()
	}
}

// publish draws somebody's App Home.
func (r *run) publish(ctx context.Context, user string) error {
	r.p.home.drawing.Lock()
	defer r.p.home.drawing.Unlock()
	who, err := r.p.person(ctx, user)
	if err != nil {
		return err
	}
	page := r.hub.Page(ctx, who.Person)
	api, err := r.p.api.bot()
	if err != nil {
		return err
	}
	_, err = api.PublishViewContext(ctx, slack.PublishViewContextRequest{
		UserID: user,
		View:   slack.HomeTabViewRequest{Type: slack.VTHomeTab, CallbackID: callbackHome, Blocks: slack.Blocks{BlockSet: r.p.page(ctx, page)}},
	})
	return why("App Home", err)
}

// Words on a page.
const (
	restNote  = "There is more. The lists in the channel have it all."
	emptyPage = "There is nothing to show."
)

// page draws a page. What does not fit is left out, item by item: the lists in the channel have it all.
func (p *Platform) page(ctx context.Context, page bot.Page) []slack.Block {
	var messages []bot.Message
	for _, s := range page.Sections {
		messages = append(append(messages, bot.Message{Lines: s.Lines}), s.Items...)
	}
	v := p.painter(ctx, messages...)
	var all []slack.Block
	add := func(part []slack.Block) (fits bool) {
		if fits = len(all)+len(part) < maxViewBlocks; fits {
			all = append(all, part...)
		} else {
			all = append(all, slack.NewContextBlock("", text(restNote, maxContext)))
		}
		return fits
	}
	n := 0
	for i, s := range page.Sections {
		var head []slack.Block
		if i > 0 {
			head = append(head, slack.NewDividerBlock())
		}
		if title := plain.Line(s.Title); title != "" {
			head = append(head, slack.NewHeaderBlock(text(title, maxHeader)))
		}
		if !add(append(head, v.rich(s.Lines)...)) {
			return all
		}
		for _, m := range s.Items {
			n++
			if !add(v.blocks(m, place{about: s.Channel}, n)) {
				return all
			}
		}
	}
	if len(all) == 0 {
		all = append(all, slack.NewSectionBlock(text(emptyPage, maxSection), nil, nil))
	}
	return all
}
