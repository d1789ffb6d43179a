-- +goose Up

-- The action log still only grows; but the words of a line can be taken out of it, when what they are about is erased.
DROP TRIGGER events_update;
-- +goose StatementBegin
CREATE TRIGGER events_update BEFORE UPDATE ON events
WHEN NEW.detail <> '' OR NEW.id IS NOT OLD.id OR NEW.at IS NOT OLD.at OR NEW.group_name IS NOT OLD.group_name OR NEW.conversation IS NOT OLD.conversation
    OR NEW.contact IS NOT OLD.contact OR NEW.member IS NOT OLD.member OR NEW.move IS NOT OLD.move OR NEW.mail IS NOT OLD.mail OR NEW.reply IS NOT OLD.reply
BEGIN
    SELECT RAISE(ABORT, 'the action log only grows');
END;
-- +goose StatementEnd
