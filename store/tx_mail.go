package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"groupmail/ticketing"
)

// batch is how many rows one INSERT adds at most.
const batch = 500

func (t *tx) AddMail(m *ticketing.Mail) error {
	row := rowOfMail(*m)
	row.ID = 0
	id, err := t.add("add mail", func(g *gorm.DB) *gorm.DB { return g.Create(&row) })
	if err != nil && t.s.unfit(err) {
		t.err = fmt.Errorf("%w: %w", ticketing.ErrBadMail, err)
	}
	if m.ID = ticketing.MailID(id); t.err != nil {
		return t.err
	}
	return t.searchOwed(ticketing.MailHit, id)
}

func (t *tx) Mail(id ticketing.MailID) (ticketing.Mail, error) {
	var row mailRow
	err := t.get("mail", func(g *gorm.DB) *gorm.DB { return g.Where("id = ?", int64(id)).Take(&row) })
	return row.noun(), err
}

func (t *tx) Mails(id ticketing.ConversationID, limit int) ([]ticketing.Mail, error) {
	var rows []mailRow
	err := t.get("mails", func(g *gorm.DB) *gorm.DB {
		return g.Where("conversation = ?", int64(id)).Order("id DESC").Limit(limit).Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) MailsBefore(id ticketing.ConversationID, before ticketing.MailID, limit int) ([]ticketing.Mail, error) {
	var rows []mailRow
	err := t.get("earlier mails", func(g *gorm.DB) *gorm.DB {
		return g.Where("conversation = ? AND id < ?", int64(id), int64(before)).Order("id DESC").Limit(limit).Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) MoveMails(from, to ticketing.ConversationID, seq int64) error {
	if from == to {
		return nil
	}
	move := func(sql string, args ...any) error {
		return t.put("move mails", func(g *gorm.DB) *gorm.DB { return g.Exec(sql, args...) })
	}
	return errors.Join(
		move(`UPDATE mails SET conversation = ?, seq = CASE WHEN seq > 0 THEN seq + ? ELSE 0 END WHERE conversation = ?`, int64(to), seq, int64(from)),
		move(`UPDATE message_ids SET conversation = ? WHERE conversation = ?`, int64(to), int64(from)),
		t.moveParticipants(from, to),
	)
}

func (t *tx) Rehome(from, to ticketing.ConversationID, group string) error {
	move := func(sql string, args ...any) error {
		return t.put("rehome", func(g *gorm.DB) *gorm.DB { return g.Exec(sql, args...) })
	}
	return errors.Join(
		move(`UPDATE mails SET conversation = ?, group_name = ? WHERE conversation = ?`, int64(to), group, int64(from)),
		move(`UPDATE replies SET conversation = ?, group_name = ? WHERE conversation = ?`, int64(to), group, int64(from)),
		move(`INSERT INTO message_ids (group_name, message_id, conversation, own)
			SELECT ?, message_id, ?, own FROM message_ids WHERE conversation = ? ORDER BY message_id ON CONFLICT DO NOTHING`, group, int64(to), int64(from)),
		move(`DELETE FROM message_ids WHERE conversation = ?`, int64(from)),
		t.moveParticipants(from, to),
		t.eraseLog([]int64{int64(from)}),
		t.unsearch(false, `?`, int64(from)*4+1),
		t.unsearch(true, `SELECT id * 4 FROM mails WHERE conversation = ?`, int64(to)),
		move(`INSERT INTO search_owed (doc) SELECT id * 4 FROM mails WHERE conversation = ? ORDER BY id`, int64(to)),
	)
}

func (t *tx) moveParticipants(from, to ticketing.ConversationID) error {
	return errors.Join(
		t.put("move participants", func(g *gorm.DB) *gorm.DB {
			return g.Exec(`INSERT INTO participants (conversation, addr_key, name, addr)
				SELECT ?, addr_key, name, addr FROM participants WHERE conversation = ? ORDER BY id
				ON CONFLICT DO NOTHING`, int64(to), int64(from))
		}),
		t.put("move participants", func(g *gorm.DB) *gorm.DB {
			return g.Exec(`DELETE FROM participants WHERE conversation = ?`, int64(from))
		}))
}

func (t *tx) Participants(id ticketing.ConversationID) ([]ticketing.Address, error) {
	var all []ticketing.Address
	err := t.each("participants", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`SELECT name, addr FROM participants WHERE conversation = ? ORDER BY id`, int64(id))
	}, func(scan func(...any) error) error {
		var a ticketing.Address
		err := scan(&a.Name, &a.Addr)
		all = append(all, a)
		return err
	})
	return all, err
}

func (t *tx) AddParticipants(id ticketing.ConversationID, a []ticketing.Address) error {
	rows := make([]participantRow, 0, len(a))
	seen := map[string]bool{}
	for _, a := range a {
		k := key(fold(a.Addr))
		if a.Addr == "" || seen[k] {
			continue
		}
		seen[k] = true
		rows = append(rows, participantRow{Conversation: int64(id), AddrKey: k, Name: a.Name, Addr: a.Addr})
	}
	for some := range slices.Chunk(rows, batch) {
		err := t.put("add participants", func(g *gorm.DB) *gorm.DB {
			return g.Clauses(clause.OnConflict{DoNothing: true}).Create(&some)
		})
		if err != nil {
			return err
		}
	}
	return t.err
}

func (t *tx) References(group string, messageIDs []string) (map[string]ticketing.Reference, error) {
	known := map[string]ticketing.Reference{}
	byKey := map[string]string{}
	for _, id := range messageIDs {
		if id != "" {
			byKey[key(id)] = id
		}
	}
	if len(byKey) == 0 {
		return known, t.err
	}
	rows, err := t.messageIDs(group, sorted(byKey))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		known[byKey[r.MessageID]] = ticketing.Reference{Conversation: ticketing.ConversationID(r.Conversation), Own: r.Own}
	}
	for k, id := range byKey {
		if _, ok := known[id]; !ok {
			t.tellAbsent(group, k)
		}
	}
	return known, nil
}

func (t *tx) messageIDs(group string, keys []string) (rows []messageIDRow, err error) {
	err = t.get("references", func(g *gorm.DB) *gorm.DB {
		return g.Where("group_name = ? AND "+t.s.among("message_id"), group, jsonArray(keys)).Find(&rows)
	})
	return rows, err
}

func (t *tx) tellAbsent(group, key string) {
	if t.absent == nil {
		t.absent = map[string]bool{}
	}
	t.absent[group+"\x00"+key] = true
}

// AddReferences does not look whether what the use case saw as absent has come meanwhile: that the
// insert then fails, and all is run again with eyes open, is what keeps two mails that arrive at
// once together.
func (t *tx) AddReferences(group string, refs map[string]ticketing.Reference) error {
	byKey := map[string]ticketing.Reference{}
	var unasked []string
	for id, r := range refs {
		k := key(id)
		if id == "" {
			continue
		}
		if old, ok := byKey[k]; ok {
			r.Own = r.Own || old.Own
		}
		byKey[k] = r
		if !t.absent[group+"\x00"+k] {
			unasked = append(unasked, k)
		}
	}
	present := map[string]bool{} // and whether it is own
	if len(unasked) > 0 {
		rows, err := t.messageIDs(group, unasked)
		if err != nil {
			return err
		}
		for _, r := range rows {
			present[r.MessageID] = r.Own
		}
	}
	var add []messageIDRow
	var becomeOwn []string
	for _, k := range sorted(byKey) {
		r := byKey[k]
		if own, ok := present[k]; !ok {
			add = append(add, messageIDRow{GroupName: group, MessageID: k, Conversation: int64(r.Conversation), Own: r.Own})
			delete(t.absent, group+"\x00"+k)
		} else if r.Own && !own {
			becomeOwn = append(becomeOwn, k)
		}
	}
	for some := range slices.Chunk(add, batch) {
		if err := t.put("add references", func(g *gorm.DB) *gorm.DB { return g.Create(&some) }); err != nil {
			return err
		}
	}
	if len(becomeOwn) == 0 {
		return t.err
	}
	return t.put("add references", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`UPDATE message_ids SET own = TRUE WHERE group_name = ? AND `+t.s.among("message_id"),
			group, jsonArray(becomeOwn))
	})
}

func (t *tx) SameMail(group, fingerprint string) (ticketing.MailID, error) {
	var row mailRow
	err := t.get("same mail", func(g *gorm.DB) *gorm.DB {
		return g.Select("id").Where("group_name = ? AND fingerprint = ?", group, fingerprint).Take(&row)
	})
	return ticketing.MailID(row.ID), err
}

const atPlace = "mailbox = ? AND validity = ? AND uid = ?"

func (t *tx) Sighting(mailbox string, ref ticketing.Ref) (ticketing.Sighting, error) {
	var row sightingRow
	err := t.get("sighting", func(g *gorm.DB) *gorm.DB {
		return g.Where(atPlace, mailbox, ref.Validity, ref.UID).Take(&row)
	})
	return row.noun(), err
}

func (t *tx) Sightings(mailbox string, mail ticketing.MailID) ([]ticketing.Sighting, error) {
	var rows []sightingRow
	err := t.get("sightings", func(g *gorm.DB) *gorm.DB {
		return g.Where("mailbox = ? AND mail = ? AND mail <> 0", mailbox, int64(mail)).Order("id").Find(&rows)
	})
	return nouns(rows), err
}

func (t *tx) PutSighting(all ...ticketing.Sighting) error {
	for some := range slices.Chunk(all, batch) {
		rows := make([]sightingRow, len(some))
		for i, s := range some {
			rows[i] = sightingRow{
				Mailbox: s.Mailbox, Validity: s.Ref.Validity, UID: s.Ref.UID, Mail: int64(s.Mail),
				Faults: int64(s.Faults), Error: s.Error, At: at(s.At),
			}
		}
		err := t.put("put sighting", func(g *gorm.DB) *gorm.DB {
			return g.Clauses(clause.OnConflict{
				Columns:   []clause.Column{{Name: "mailbox"}, {Name: "validity"}, {Name: "uid"}},
				DoUpdates: clause.AssignmentColumns([]string{"mail", "faults", "error", "at"}),
			}).Create(&rows)
		})
		if err != nil {
			return err
		}
	}
	return t.err
}

func (t *tx) LastSighting(mailbox string) (time.Time, error) {
	var row sightingRow
	err := t.get("last sighting", func(g *gorm.DB) *gorm.DB {
		return g.Select("id", "at").Where("id = (SELECT max(id) FROM sightings WHERE mailbox = ?)", mailbox).Take(&row)
	})
	return row.At.time(), err
}

func (t *tx) ForgetUnwanted(mailbox string, since time.Time) error {
	return t.put("forget unwanted", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`DELETE FROM sightings WHERE mailbox = ? AND mail = 0 AND faults = 0 AND at >= ?`, mailbox, at(since))
	})
}

func (t *tx) Unknown(mailbox string, refs []ticketing.Ref) ([]ticketing.Ref, error) {
	uids := map[string][]string{} // by validity
	for _, r := range refs {
		uids[r.Validity] = append(uids[r.Validity], r.UID)
	}
	known := map[ticketing.Ref]bool{}
	for _, validity := range sorted(uids) {
		var found []string
		err := t.get("unknown", func(g *gorm.DB) *gorm.DB {
			return g.Raw(`SELECT uid FROM sightings WHERE mailbox = ? AND validity = ?
				AND NOT (mail = 0 AND faults IN (1, 2)) AND `+t.s.among("uid"),
				mailbox, validity, jsonArray(uids[validity])).Find(&found)
		})
		if err != nil {
			return nil, err
		}
		for _, uid := range found {
			known[ticketing.Ref{Validity: validity, UID: uid}] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(refs), func(r ticketing.Ref) bool {
		return known[ticketing.Ref{Validity: clean(r.Validity), UID: clean(r.UID)}] || known[r]
	}), t.err
}

func (t *tx) Process(id ticketing.ConversationID, why ticketing.Processed) error {
	return t.put("process", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`UPDATE sightings SET due = ? WHERE NOT settled AND due <> ? AND mail <> 0
			AND mail IN (SELECT id FROM mails WHERE conversation = ?)`, string(why), string(why), int64(id))
	})
}

func (t *tx) Unsettled(mailbox string, limit int) ([]ticketing.Settlement, error) {
	var rows []sightingRow
	err := t.get("unsettled", func(g *gorm.DB) *gorm.DB {
		return g.Select("validity", "uid", "due").
			Where("mailbox = ? AND due <> '' AND NOT settled", mailbox).Order("id").Limit(limit).Find(&rows)
	})
	all := make([]ticketing.Settlement, 0, len(rows))
	for _, r := range rows {
		all = append(all, ticketing.Settlement{
			Ref: ticketing.Ref{Validity: r.Validity, UID: r.UID}, Why: ticketing.Processed(r.Due),
		})
	}
	return all, err
}

// Settled leaves a mail due if by now it is due for another reason.
func (t *tx) Settled(mailbox string, s ticketing.Settlement) error {
	return t.put("settled", func(g *gorm.DB) *gorm.DB {
		return g.Exec(`UPDATE sightings SET settled = TRUE WHERE `+atPlace+` AND due IN (?, '')`,
			mailbox, s.Ref.Validity, s.Ref.UID, string(s.Why))
	})
}

func (t *tx) Box(mailbox string) (ticketing.BoxMemory, error) {
	var row boxRow
	err := t.get("box", func(g *gorm.DB) *gorm.DB { return g.Where("mailbox = ?", mailbox).Take(&row) })
	return row.noun(), err
}

func (t *tx) SetBox(mailbox string, b ticketing.BoxMemory) error {
	row := boxRow{
		Mailbox: mailbox, Validity: b.Validity, FirstUID: int64(b.Window.First), WindowSince: at(b.Window.Since),
		Count: int64(b.Count), Looked: at(b.Looked), Decided: string(b.Decided), DecidedBy: string(b.By),
	}
	return t.put("set box", func(g *gorm.DB) *gorm.DB {
		return g.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "mailbox"}}, UpdateAll: true}).Create(&row)
	})
}
