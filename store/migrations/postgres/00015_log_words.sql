-- +goose Up

-- The action log still only grows; but the words of a line can be taken out of it, when what they are about is erased.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION events_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.detail = '' AND to_jsonb(NEW) - 'detail' = to_jsonb(OLD) - 'detail' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the action log only grows';
END $$;
-- +goose StatementEnd
