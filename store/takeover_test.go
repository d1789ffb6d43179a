package store

import (
	"path/filepath"
	"testing"
	"time"

	"groupmail/ticketing"
)

// With SQLite there is one process: what the one before had leased waits for nobody.
func TestTheNextProcessTakesOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	open := func() *Store {
		s, err := Open(t.Context(), Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	lease := func(s *Store, holder string) bool {
		held, err := s.Lease(t.Context(), "mailbox", holder, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	first := open()
	if !lease(first, "first") || lease(first, "second") {
		t.Fatal("the lease is worth nothing")
	}
	err := first.Change(t.Context(), func(tx ticketing.Tx) error {
		_, err := tx.AddPost(ticketing.Post{Key: "k", Kind: ticketing.CardPost}, "first", time.Now().Add(time.Hour))
		return err
	})
	if err != nil || first.Close() != nil {
		t.Fatal(err)
	}
	second := open()
	defer second.Close()
	if !lease(second, "second") {
		t.Error("the dead process still has the mailbox")
	}
	if owed, err := second.LeasePosts(t.Context(), "second", time.Minute, 10); err != nil || len(owed) != 1 {
		t.Errorf("owed are %v, %v", owed, err)
	}
}
