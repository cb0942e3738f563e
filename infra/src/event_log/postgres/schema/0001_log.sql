-- Names are bytes: they are compared byte for byte whatever the database's encoding and collation, and may hold any character.

-- One row. `position` is the newest event's; `terms` counts the changes of holders of leases. Every append and every
-- change of a holder updates it, so its lock orders them all.
CREATE TABLE bishui.head (
    one_row  boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    position bigint  NOT NULL CHECK (position >= 0),
    terms    bigint  NOT NULL CHECK (terms >= 0)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
INSERT INTO bishui.head (position, terms) VALUES (0, 0);

-- The id of a stream is the position of its first event.
CREATE TABLE bishui.stream (
    name bytea  PRIMARY KEY,
    id   bigint NOT NULL UNIQUE
);

-- `body` has all of the event, its places and its checksum; the other columns are there to find it.
CREATE TABLE bishui.event (
    position bigint NOT NULL,
    stream   bigint NOT NULL,
    version  bigint NOT NULL,
    body     bytea  NOT NULL,
    PRIMARY KEY (position),
    UNIQUE (stream, version)
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
