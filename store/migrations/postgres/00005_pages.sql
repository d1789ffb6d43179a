-- +goose Up

-- The newest of a flood, whatever became of it.
CREATE INDEX conversations_flooded ON conversations (group_name, id) WHERE flood <> 0;
-- The newest sighting of a mailbox, and those of mails that are not picked up.
CREATE INDEX sightings_mailbox ON sightings (mailbox, id);
CREATE INDEX sightings_unwanted ON sightings (mailbox, at) WHERE mail = 0;
