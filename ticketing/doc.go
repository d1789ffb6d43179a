// Package ticketing owns the nouns of GroupMail (Group, Mail, Conversation, Reply, Member, Post …),
// the rules, and the use cases: Desk has one method for each thing that people and mail do.
//
// It imports the standard library alone and knows no database, no mail protocol and no chat
// platform; what it needs of them are the ports in store.go.
//
// A conversation's states. Everything that moves one is a Move, and the table in state.go is the
// only place that decides where it goes:
//
//	                ┌──────────── release ────────────┐
//	                ▼                                 │
//	mail ──────► new ── take, assign, reply ──────► taken ◄──────────┐
//	 ▲            │ │ ▲                              │ │ ▲           │ mail in
//	 │            │ │ └── undo ─────────────┐        │ │ └─ reopen ┐ │ (same owner)
//	 │            │ └── no answer needed ─┐ │        │ └── close ─┐│ │
//	 │            │                       ▼ │        │            ▼│ │
//	 │            │                      closed ◄────┼───────── closed
//	 │          spam                                 │ answer       ▲
//	 │            ▼                                  ▼              │ close
//	 └── undo ── spam ◄──────── spam ────────────  waiting ─────────┘
//
// A mail from the other side wakes: waiting → taken by the same owner; closed → taken by the last
// owner if they are still in the group, else new; spam → new. Automatic answers and bounces wake
// nothing.
//
//	mail ──► held ── admit, or a mail that wakes ──► new
//	           │ ▲
//	   discard ▼ │ undo
//	          closed
//
// What belongs to nothing known and is a person's automatic answer, a bounce, or cannot be read is
// held: it has no card and waits for nobody (held.go). New conversations beyond what people can read
// at once are new without a card of their own (flood.go).
//
// An answer from an ordinary mail program makes the conversation waiting, as one sent from here does.
//
// Before the first take there is no ticket and no number.
//
// Start reading at Conversation, then state.go, then Desk.
package ticketing
