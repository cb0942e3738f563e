-- Names are bytes: they are compared byte for byte whatever the database's encoding and collation, and may hold any character.

-- One row. `position` is the newest event's; `terms` counts the changes of holders of leases. Every append and every
-- change of a holder updates it, so its lock orders them all. It has no CHECK, which every append would have to read.
CREATE TABLE bishui.head (
    one_row  boolean PRIMARY KEY DEFAULT true,
    position bigint  NOT NULL,
    terms    bigint  NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
INSERT INTO bishui.head (position, terms) VALUES (0, 0);

-- Consecutive events, of one or several appends, compressed by the program, up to position `last`. `events` has all of
-- them, their places and their checksums. A row is made to fit a page: only a large event of its own is kept out of line.
CREATE TABLE bishui.block (
    last   bigint PRIMARY KEY,
    events bytea  NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE bishui.block ALTER COLUMN events SET STORAGE EXTERNAL;

-- The `count` events that a stream has in the block that ends at `block`, from `version` on. The columns stand in the
-- order that wastes no bytes between them.
CREATE TABLE bishui.run (
    version bigint NOT NULL,
    block   bigint NOT NULL,
    count   int    NOT NULL,
    stream  bytea  NOT NULL,
    PRIMARY KEY (stream, version)
);

CREATE TABLE bishui.request_key (
    key            bytea  PRIMARY KEY,
    request        uuid   NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL
);

CREATE TABLE bishui.checkpoint (
    consumer bytea  PRIMARY KEY,
    position bigint NOT NULL CHECK (position >= 0)
);

CREATE TABLE bishui.lease (
    work       bytea       PRIMARY KEY,
    holder     uuid        NOT NULL,
    term       bigint      NOT NULL CHECK (term >= 1),
    held_until timestamptz NOT NULL
);
