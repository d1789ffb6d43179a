package ticketing

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ann  = Member{ID: "x:ann", Name: "Ann"}
	ben  = Member{ID: "x:ben", Name: "Ben"}
)

func called(id MemberID) string { return map[MemberID]string{ann.ID: "Ann", ben.ID: "Ben"}[id] }

func TestMoves(t *testing.T) {
	mine := func(s State) Conversation {
		return Conversation{State: s, Number: 7, Owner: ann.ID, LastOwner: ann.ID, Since: noon.Add(-5 * time.Minute)}
	}
	free := Conversation{State: New, Subject: "Heating broken"}
	closed := Conversation{State: Closed, Number: 7, Outcome: "phoned", LastOwner: ann.ID, Since: noon.Add(-time.Hour), Closed: noon, ClosedBy: ann.ID}
	unanswered := Conversation{State: Closed, Outcome: NoAnswerNeeded, Subject: "Ad", Since: noon}
	spam := Conversation{State: Spam, Subject: "Ad", Since: noon}
	for name, c := range map[string]struct {
		from  Conversation
		step  step
		state State
		owner MemberID
		no    Kind
		text  string
	}{
		"take":                      {from: free, step: step{move: MoveTake, by: ben}, state: Taken, owner: ben.ID},
		"take another's":            {from: mine(Taken), step: step{move: MoveTake, by: ben}, no: TakenBy, text: "Ann took #7 5 minutes ago."},
		"take one's own":            {from: mine(Taken), step: step{move: MoveTake, by: ann}, no: Already, text: "You took #7 5 minutes ago."},
		"take what waits":           {from: mine(Waiting), step: step{move: MoveTake, by: ben}, no: TakenBy},
		"take what waits ownerless": {from: Conversation{State: Waiting}, step: step{move: MoveTake, by: ben}, state: Taken, owner: ben.ID},
		"take a closed one":         {from: closed, step: step{move: MoveTake, by: ben}, no: WrongState, text: "#7 was closed an hour ago: phoned. Reopen it first."},
		"take spam":                 {from: spam, step: step{move: MoveTake, by: ben}, no: WrongState},
		"release":                   {from: mine(Taken), step: step{move: MoveRelease, by: ann}, state: New},
		"release while waiting":     {from: mine(Waiting), step: step{move: MoveRelease, by: ann}, state: New},
		"release another's":         {from: mine(Taken), step: step{move: MoveRelease, by: ben}, no: NotYours, text: "Ann took #7 5 minutes ago: only Ann or a lead can do that."},
		"release as lead":           {from: mine(Taken), step: step{move: MoveRelease, by: ben, lead: true}, state: New},
		"release nobody's":          {from: free, step: step{move: MoveRelease, by: ben}, no: Already},
		"assign a new one":          {from: free, step: step{move: MoveAssign, by: ben, to: ann.ID}, state: Taken, owner: ann.ID},
		"hand over":                 {from: mine(Taken), step: step{move: MoveAssign, by: ann, to: ben.ID}, state: Taken, owner: ben.ID},
		"hand over while waiting":   {from: mine(Waiting), step: step{move: MoveAssign, by: ann, to: ben.ID}, state: Waiting, owner: ben.ID},
		"hand over another's":       {from: mine(Taken), step: step{move: MoveAssign, by: ben, to: ben.ID}, no: NotYours},
		"hand over to oneself":      {from: mine(Taken), step: step{move: MoveAssign, by: ann, to: ann.ID}, no: Already},
		"spam":                      {from: free, step: step{move: MoveSpam, by: ben}, state: Spam},
		"spam another's":            {from: mine(Taken), step: step{move: MoveSpam, by: ben}, no: NotYours},
		"spam twice":                {from: spam, step: step{move: MoveSpam, by: ben}, no: Already},
		"undo spam":                 {from: spam, step: step{move: MoveUndo, by: ben}, state: New},
		"no answer needed":          {from: free, step: step{move: MoveNoAnswer, by: ben, outcome: NoAnswerNeeded}, state: Closed},
		"no answer to a taken one":  {from: mine(Taken), step: step{move: MoveNoAnswer, by: ben}, no: WrongState},
		"undo no answer":            {from: unanswered, step: step{move: MoveUndo, by: ben}, state: New},
		"undo a real closing":       {from: closed, step: step{move: MoveUndo, by: ben}, no: WrongState},
		"close":                     {from: mine(Taken), step: step{move: MoveClose, by: ann, outcome: "phoned"}, state: Closed},
		"close a colleague's":       {from: mine(Taken), step: step{move: MoveClose, by: ben, outcome: "phoned"}, state: Closed},
		"close twice":               {from: closed, step: step{move: MoveClose, by: ben, outcome: "x"}, no: Already, text: "#7 was already closed an hour ago: phoned."},
		"reopen":                    {from: closed, step: step{move: MoveReopen, by: ben}, state: Taken, owner: ben.ID},
		"reopen an open one":        {from: mine(Taken), step: step{move: MoveReopen, by: ben}, no: Already},
		"mail to a new one":         {from: free, step: step{move: MoveMailIn}, state: New},
		"mail to a taken one":       {from: mine(Taken), step: step{move: MoveMailIn}, state: Taken, owner: ann.ID},
		"mail to one that waits":    {from: mine(Waiting), step: step{move: MoveMailIn}, state: Taken, owner: ann.ID},
		"mail to one answered out":  {from: Conversation{State: Waiting}, step: step{move: MoveMailIn}, state: New},
		"mail to a closed one":      {from: closed, step: step{move: MoveMailIn, present: true}, state: Taken, owner: ann.ID},
		"mail, the owner has left":  {from: closed, step: step{move: MoveMailIn}, state: New},
		"mail to unanswered":        {from: unanswered, step: step{move: MoveMailIn}, state: New},
		"mail to spam":              {from: spam, step: step{move: MoveMailIn}, state: New},
		"answer":                    {from: mine(Taken), step: step{move: MoveAnswer, by: ann}, state: Waiting, owner: ann.ID},
		"answer for a colleague":    {from: mine(Taken), step: step{move: MoveAnswer, by: ben}, state: Waiting, owner: ann.ID},
		"answered outside":          {from: free, step: step{move: MoveOutside}, state: Waiting},
		"answered outside, closed":  {from: closed, step: step{move: MoveOutside}, state: Closed},
		"overdue":                   {from: free, step: step{move: MoveOverdue}, state: New},
		"overdue when closed":       {from: closed, step: step{move: MoveOverdue}, no: WrongState},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.from
			c.step.now = noon
			err := c.step.apply(&got, called)
			if c.no != "" {
				var no Refusal
				if !errors.As(err, &no) || no.Kind != c.no || c.text != "" && no.Text != c.text {
					t.Fatalf("answered %#v, want a refusal %q %q", err, c.no, c.text)
				}
				if got != c.from {
					t.Errorf("a refused move has changed the conversation to %+v", got)
				}
				return
			}
			if err != nil || got.State != c.state || got.Owner != c.owner {
				t.Errorf("became %s of %q, %v; want %s of %q", got.State, got.Owner, err, c.state, c.owner)
			}
		})
	}
}

// Since is since when somebody has it, through answers and mails; without an owner, since when it
// is as it is.
func TestSince(t *testing.T) {
	c := Conversation{State: New, Opened: noon, Waits: noon, Since: noon}
	for i, now := range []struct {
		step  step
		since int // index of the step that Since tells of
	}{
		0:  {step{move: MoveTake, by: ann}, 0},
		1:  {step{move: MoveMailIn}, 0},
		2:  {step{move: MoveAnswer, by: ann}, 0},
		3:  {step{move: MoveMailIn}, 0},
		4:  {step{move: MoveOverdue}, 0},
		5:  {step{move: MoveAssign, by: ann, to: ben.ID}, 5},
		6:  {step{move: MoveOutside}, 5},
		7:  {step{move: MoveMailIn}, 5},
		8:  {step{move: MoveClose, by: ben, outcome: "phoned"}, 8},
		9:  {step{move: MoveMailIn, present: true}, 9},
		10: {step{move: MoveRelease, by: ben}, 10},
		11: {step{move: MoveMailIn}, 10},
		12: {step{move: MoveOutside}, 12},
		13: {step{move: MoveTake, by: ann}, 13},
		14: {step{move: MoveSpam, by: ann}, 14},
		15: {step{move: MoveUndo, by: ann}, 15},
	} {
		at := func(i int) time.Time { return noon.Add(time.Duration(i+1) * time.Hour) }
		now.step.now = at(i)
		if err := now.step.apply(&c, called); err != nil {
			t.Fatalf("step %d, %s: %v", i, now.step.move, err)
		}
		if !c.Since.Equal(at(now.since)) {
			t.Errorf("after step %d, %s: since %v, want that of step %d", i, now.step.move, c.Since, now.since)
		}
	}
}

// TestInvariants makes moves at random and looks whether the conversation still makes sense.
func TestInvariants(t *testing.T) {
	all := []Move{MoveTake, MoveRelease, MoveAssign, MoveSpam, MoveNoAnswer, MoveUndo, MoveClose, MoveReopen, MoveMailIn, MoveAnswer, MoveOutside, MoveOverdue}
	rapid.Check(t, func(t *rapid.T) {
		c := Conversation{State: New, Opened: noon, Waits: noon, Since: noon}
		now := noon
		for range rapid.IntRange(1, 40).Draw(t, "moves") {
			now = now.Add(time.Minute)
			s := step{
				move: rapid.SampledFrom(all).Draw(t, "move"), now: now, outcome: "phoned",
				by: rapid.SampledFrom([]Member{ann, ben}).Draw(t, "by"), to: rapid.SampledFrom([]MemberID{ann.ID, ben.ID}).Draw(t, "to"),
				lead: rapid.Bool().Draw(t, "lead"), present: rapid.Bool().Draw(t, "present"),
			}
			if s.move == MoveNoAnswer {
				s.outcome = NoAnswerNeeded
			}
			was := c
			if s.apply(&c, called) != nil && c != was {
				t.Fatalf("refused %s has changed %+v to %+v", s.move, was, c)
			}
			switch {
			case c.State == Taken && c.Owner == "":
				t.Fatalf("taken by nobody after %s: %+v", s.move, c)
			case (c.State == New || c.State == Spam || c.State == Closed) && c.Owner != "":
				t.Fatalf("%s and owned after %s: %+v", c.State, s.move, c)
			case (c.State == Closed) != (c.Outcome != ""):
				t.Fatalf("%s with outcome %q after %s", c.State, c.Outcome, s.move)
			case c.Overdue && c.State != New && c.State != Taken:
				t.Fatalf("overdue and %s after %s", c.State, s.move)
			case c.Owner != "" && c.LastOwner != c.Owner:
				t.Fatalf("last owner %q, owner %q", c.LastOwner, c.Owner)
			}
		}
	})
}
