package ticketing_test

import (
	"errors"
	"testing"

	. "groupmail/ticketing"
)

func TestDirectPostsGoToWhereTheMemberIs(t *testing.T) {
	eachStore(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.ok(o.desk.SetPresent(ctx, "x/board", []Member{ann}))
		for _, who := range []Member{ann, ben} {
			for range 2 {
				if err := o.desk.Direct(ctx, By{Group: "help"}, who.ID, Post{Kind: OverduePost}, 7); err != nil {
					t.Fatal(err)
				}
			}
			if who == ann {
				continue
			}
			if _, err := o.desk.FindPost(ctx, "overdue:7:x/board:x:ben", "", ""); !errors.Is(err, ErrNone) {
				t.Errorf("a post for somebody who is not there: %v", err)
			}
		}
		p, err := o.desk.FindPost(ctx, "overdue:7:x/board:x:ann", "", "")
		if err != nil || p.To != ann.ID || p.Board != "x/board" || p.Want != 1 {
			t.Errorf("%+v, %v", p, err)
		}
		if len(o.posts) != 1 {
			t.Errorf("announced %v", o.posts)
		}
	})
}
