package ticketing_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	. "groupmail/ticketing"
)

func TestSignIn(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		token, err := o.desk.NewLogin(ctx, by(ann))
		o.ok(err)
		for range 2 { // looking uses nothing up
			m, err := o.desk.LoginOf(ctx, token)
			o.ok(err)
			if m.Name != "Ann" {
				t.Errorf("%+v", m)
			}
		}
		_, err = o.desk.Visitor(ctx, token)
		o.refused(err, NotMember) // a login is no session
		session, m, err := o.desk.Login(ctx, token)
		o.ok(err)
		if m.ID != ann.ID || session == token {
			t.Errorf("%+v", m)
		}
		_, err = o.desk.LoginOf(ctx, token)
		o.refused(err, NotFound)
		_, _, err = o.desk.Login(ctx, token)
		o.refused(err, NotFound)
		v, err := o.desk.Visitor(ctx, session)
		o.ok(err)
		if v.Member.Name != "Ann" || len(v.Groups) != 1 || v.Boards["help"] != "x/board" {
			t.Errorf("%+v", v)
		}
		if _, ok := v.Group("other"); ok {
			t.Error("sees a group that is not there")
		}
		o.ok(o.desk.Logout(ctx, session))
		_, err = o.desk.Visitor(ctx, session)
		o.refused(err, NotMember)
		o.ok(o.desk.Logout(ctx, session))

		late, err := o.desk.NewLogin(ctx, by(ann))
		o.ok(err)
		o.pass(LoginLife)
		_, err = o.desk.LoginOf(ctx, late)
		o.refused(err, NotFound)
		_, _, err = o.desk.Login(ctx, late)
		o.refused(err, NotFound)
	})
}

// Of several who use a link at once exactly one is signed in.
func TestALoginIsUsedOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		token, err := o.desk.NewLogin(t.Context(), by(ann))
		o.ok(err)
		var all sync.WaitGroup
		var mu sync.Mutex
		in := 0
		for range 8 {
			all.Go(func() {
				_, _, err := o.desk.Login(t.Context(), token)
				var no Refusal
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					in++
				} else if !errors.As(err, &no) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if in != 1 {
			t.Errorf("%d signed in", in)
		}
	})
}

// A session ends with the member's leaving, and when it is not used; use keeps it.
func TestSessionsEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		signIn := func(m Member) string {
			token, err := o.desk.NewLogin(ctx, by(m))
			o.ok(err)
			session, _, err := o.desk.Login(ctx, token)
			o.ok(err)
			return session
		}
		s, other := signIn(ann), signIn(ben)
		for range 3 {
			o.pass(SessionLife - time.Hour)
			_, err := o.desk.Visitor(ctx, s)
			o.ok(err)
		}
		_, err := o.desk.Visitor(ctx, other)
		o.refused(err, NotMember)
		o.pass(SessionLife)
		_, err = o.desk.Visitor(ctx, s)
		o.refused(err, NotMember)

		s = signIn(ann)
		o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ben}))
		_, err = o.desk.Visitor(ctx, s)
		o.refused(err, NotMember)
		o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ann, ben}))
		_, err = o.desk.Visitor(ctx, s)
		o.refused(err, NotMember) // it has ended for good

		s = signIn(ann)
		o.setGroup(func(g *Group) { g.Boards[0].Name = "x/another" })
		_, err = o.desk.Visitor(ctx, s)
		o.refused(err, NotMember) // the channel is no board any more
	})
}

func TestLoginByMail(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		s, m, err := o.desk.LoginByMail(ctx, "ANN@example.com ")
		o.ok(err)
		if m.ID != ann.ID {
			t.Errorf("%+v", m)
		}
		_, err = o.desk.Visitor(ctx, s)
		o.ok(err)
		for _, address := range []string{"", " ", "eve@example.com"} { // Ben has none
			_, _, err = o.desk.LoginByMail(ctx, address)
			o.refused(err, NotMember)
		}
		o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ben}))
		_, _, err = o.desk.LoginByMail(ctx, "ann@example.com")
		if text := o.refused(err, NotMember); !strings.Contains(text, "ann@example.com") {
			t.Error(text)
		}
	})
}
