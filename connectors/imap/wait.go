package imap

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"groupmail/connectors/account"
)

const (
	// idleAtMost is how long one IDLE lasts: less than the time after which home routers forget a
	// connection (RFC 2177 asks for less than 29 minutes).
	idleAtMost = 4 * time.Minute
	// idleFirst is how long the first IDLE of a Wait lasts. Servers (go-imap's own, for one) forget
	// what arrives just before IDLE begins, and tell of it when it ends.
	idleFirst = time.Second
	// idleEnd is how long the server may take to end IDLE.
	idleEnd = 10 * time.Second
)

// Wait implements mailbox.Waiter by IDLE (RFC 2177). Where the server has none, it waits for ctx.
func (m *Mailbox) Wait(ctx context.Context) error {
	if m.lost {
		return m.lostBy()
	}
	if !m.caps.Has(imap.CapIdle) {
		select {
		case <-m.news:
		case <-ctx.Done():
		case <-m.c.Closed():
			return m.idle(errClosed)
		}
		return nil
	}
	for atMost := idleFirst; ctx.Err() == nil; atMost = idleAtMost {
		select {
		case <-m.news: // told of since Fetch looked
			return nil
		default:
		}
		told, err := m.idleOnce(ctx, atMost)
		if told || err != nil {
			return err
		}
	}
	return nil
}

var errClosed = errors.New("the server has closed the connection")

// idleOnce waits during one IDLE. ctx only ends the waiting: the connection lives on.
func (m *Mailbox) idleOnce(ctx context.Context, atMost time.Duration) (told bool, err error) {
	// When ctx ends the server may still finish what was begun: else each poll would cost the
	// connection.
	linger, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(min(idleEnd, m.cfg.Timeout), cancel)
		context.AfterFunc(linger, func() { timer.Stop() })
	})()

	var running *imapclient.IdleCommand
	err = m.bounded(linger, func() (err error) {
		running, err = m.c.Idle()
		return err
	})
	if err != nil {
		return false, m.idle(err)
	}
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-m.news:
		told = true
	case <-ctx.Done():
	case <-timer.C:
	case <-m.c.Closed():
		err = errClosed
	}
	ended := m.bounded(linger, func() error {
		if err := running.Close(); err != nil {
			return err
		}
		return running.Wait()
	})
	if err = cmp.Or(err, ended); err != nil {
		return told, m.idle(err)
	}
	return told, nil
}

// idle says why IDLE failed.
func (m *Mailbox) idle(err error) error {
	m.lost = true
	if err == context.Canceled { //nolint:errorlint // ours, not one that a connection wraps
		err = &account.Silence{Lasted: min(idleEnd, m.cfg.Timeout)}
	}
	err = m.trouble("wait for mail", err)
	m.why = err
	return err
}
