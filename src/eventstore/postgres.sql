-- The log on Postgres: gap-free positions in commit order, many streams in one transaction, and the
-- read models written in that same transaction. Run at every start; changes nothing that is there.

create schema if not exists log;
create schema if not exists state;

create table if not exists log.events (
  position bigint primary key,
  stream   text collate "C" not null,
  revision integer not null,
  id       uuid not null,
  type     text not null,
  data     jsonb not null,
  metadata jsonb not null,
  created  timestamptz not null,
  unique (stream, revision)
);

-- Technical rows: what expires and is nobody's history. Payloads are sealed.
create table if not exists state.entries (
  model      text not null,
  id         text not null,
  lookup     text,
  payload    text,
  expires_at timestamptz,
  primary key (model, id)
);
create index if not exists entries_lookup on state.entries (model, lookup) where lookup is not null;
create index if not exists entries_expiry on state.entries (expires_at) where expires_at is not null;

-- Wakes the node that delivers what clients are to be told.
create or replace function state.announce_notice() returns trigger
language plpgsql as $$ begin perform pg_notify('muniment_notices', ''); return null; end $$;
create or replace trigger announce_notice after insert on state.entries
  for each row when (new.model = 'Notice') execute function state.announce_notice();

-- Takes the claims of all requests but the refused; returns those that met a live row of another
-- owner (`lookup`): who tries again after an unknown outcome meets their own. `_changes` are
-- {op: [{request, model, id, lookup, payload, expiresAt}]}.
create or replace function state.claim(_changes jsonb, _refused integer[])
returns table (request integer, model text, id text)
language plpgsql as $$
#variable_conflict use_column
begin
  return query
  with claim as materialized (
    select c.*
    from jsonb_to_recordset(_changes->'claim')
      as c(request integer, model text, id text, lookup text, payload text, "expiresAt" timestamptz)
    where c.request <> all(_refused)
  ), won as (
    insert into state.entries as e (model, id, lookup, payload, expires_at)
    select c.model, c.id, c.lookup, c.payload, c."expiresAt" from claim c
    on conflict (model, id) do update
      set lookup = excluded.lookup, payload = excluded.payload, expires_at = excluded.expires_at
      where e.expires_at <= now() or e.lookup = excluded.lookup
    returning e.model, e.id
  )
  select c.request, c.model, c.id from claim c
  where not exists (select from won w where w.model = c.model and w.id = c.id);
end $$;

-- Writes the other technical rows of all requests but the refused.
create or replace function state.write(_changes jsonb, _refused integer[])
returns void
language plpgsql
-- The plan is kept while the table grows: never one that is best for an empty table.
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  if _changes ? 'put' then
    insert into state.entries (model, id, lookup, payload, expires_at)
    select c.model, c.id, c.lookup, c.payload, c."expiresAt"
    from jsonb_to_recordset(_changes->'put')
      as c(request integer, model text, id text, lookup text, payload text, "expiresAt" timestamptz)
    where c.request <> all(_refused)
    on conflict (model, id) do update
      set lookup = excluded.lookup, payload = excluded.payload, expires_at = excluded.expires_at;
  end if;

  if _changes ? 'drop' then
    delete from state.entries e
    using jsonb_to_recordset(_changes->'drop') as c(request integer, model text, id text)
    where c.request <> all(_refused) and e.model = c.model and e.id = c.id;
  end if;
end $$;

-- Takes some of the expired technical rows away, past those another node is taking; returns how many.
create or replace function state.sweep(_limit integer)
returns integer
language sql as $$
  with expired as (
    select ctid from state.entries where expires_at < now() - interval '1 minute'
    limit _limit for update skip locked
  ), swept as (
    delete from state.entries where ctid in (select ctid from expired) returning 1
  )
  select count(*)::int from swept
$$;

-- Appends the events of many requests in one transaction; each request is granted or refused by
-- itself. The arrays have one element for each stream that a request writes; `_expected` is the
-- revision the stream had before (-1: none, null: any). A stream occurs once in a batch. `_events`
-- are in their order: [{write: place in those arrays, nth: place in the stream's part, from 1,
-- envelope: place in `_metadata`, from 0, id, type, data}].
-- With `_again`, requests already in the log are found by the ids of their events.
-- The one row without a request tells the position before the first event; those of granted requests
-- follow without a gap. Its subject is `deferred` when the read models are not written yet. The other rows are exceptions:
-- outcome: repeated (position) | moved (subject: stream) | claimed (subject: model id)
create or replace function log.append(
  _request integer[], _stream text[], _expected integer[], _events jsonb, _metadata jsonb,
  _state jsonb, _changes jsonb, _again boolean
)
returns table (request integer, outcome text, subject text, "position" bigint)
language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  _first bigint;
  _count bigint;
  _head integer[];
  _refused integer[];
  _taken integer[];
  _repeated integer[];
  _projected boolean := true;
begin
  -- One appender at a time, in every process, until commit: positions have no gaps and are in the
  -- order of commits, so a reader may ask for what comes after the last it saw.
  perform pg_advisory_xact_lock(746601);
  select coalesce(max(e.position), 0) into _first from log.events e;

  select
    array_agg(coalesce(e.revision, -1) order by w.nth),
    coalesce(array_agg(distinct w.request) filter (where w.expected <> coalesce(e.revision, -1)), '{}')
  into _head, _refused
  from unnest(_request, _stream, _expected) with ordinality as w(request, stream, expected, nth)
  left join lateral (
    select e.revision from log.events e where e.stream = w.stream order by e.revision desc limit 1
  ) e on true;

  if _again or cardinality(_refused) > 0 then
    with given as (
      select _request[g.write] as request, _stream[g.write] as stream, _expected[g.write] as expected,
        g.id, g.nth
      from jsonb_to_recordset(_events) as g(write integer, nth integer, id uuid)
      where _again or _request[g.write] = any(_refused)
    ), found as (
      select g.request, bool_and(e.id is not null) as whole, max(e.position) as position
      from given g left join log.events e on e.stream = g.stream and e.id = g.id
        and (g.expected is null or e.revision = g.expected + g.nth)
      group by g.request
    ), repeats as (
      select f.request, f.position from found f where f.whole
    )
    select coalesce(array_agg(r.request), '{}') into _repeated from repeats r;
    return query
      select _request[g.write], 'repeated', null::text, max(e.position)
      from jsonb_to_recordset(_events) as g(write integer, id uuid)
      join log.events e on e.stream = _stream[g.write] and e.id = g.id
      where _request[g.write] = any(_repeated)
      group by 1;
    return query
      select w.request, 'moved', min(w.stream), null::bigint
      from unnest(_request, _stream, _expected, _head) as w(request, stream, expected, head)
      where w.expected <> w.head and w.request <> all(_repeated)
      group by w.request;
    _refused := _refused || _repeated;
  end if;

  if _state ? 'claim' then
    select array_agg(c.request) into _taken from state.claim(_state, _refused) c;
    if _taken is not null then
      return query
        select c.request, 'claimed', c.model || ' ' || c.id, null::bigint
        from jsonb_to_recordset(_state->'claim') as c(request integer, model text, id text)
        where c.request = any(_taken);
      _refused := _refused || _taken;
    end if;
  end if;
  if _state is not null then
    perform state.write(_state, _refused);
  end if;

  -- Before the events are there: what is not projected here begins with them.
  if _changes is not null then
    _projected := log.project(_changes, _refused);
  end if;

  insert into log.events (position, stream, revision, id, type, data, metadata, created)
  select
    _first + row_number() over (order by e.place), _stream[e.write], _head[e.write] + e.nth,
    e.id, e.type, e.data, _metadata->e.envelope, clock_timestamp()
  from rows from (
    jsonb_to_recordset(_events) as
      (write integer, nth integer, envelope integer, id uuid, type text, data jsonb)
  ) with ordinality as e(write, nth, envelope, id, type, data, place)
  where _request[e.write] <> all(_refused);
  get diagnostics _count = row_count;

  if _count > 0 then
    perform pg_notify('muniment', (_first + _count)::text);
  end if;
  return query
    select null::integer, 'appended', case when not _projected then 'deferred' end, _first;
end $$;

-- Appends events of another log, in their order and with their times, after the event `_after` (null:
-- to an empty log). Returns null, or the stream of the last event when that is another. Read models
-- that appends write are told as of here by projectors.
create or replace function log.take(_events jsonb, _after uuid) returns text
language plpgsql as $$
#variable_conflict use_column
declare
  _last log.events;
  _count bigint;
begin
  perform pg_advisory_xact_lock(746601);
  select * into _last from log.events e order by e.position desc limit 1;
  if _last.id is distinct from _after then
    return coalesce(_last.stream, '');
  end if;
  perform log.project('{}', '{}');
  insert into log.events (position, stream, revision, id, type, data, metadata, created)
  select
    coalesce(_last.position, 0) + row_number() over (order by e.place),
    e.stream, e.revision, e.id, e.type, e.data, e.metadata, e.created
  from rows from (
    jsonb_to_recordset(_events) as (stream text, revision integer, id uuid, type text, data jsonb,
      metadata jsonb, created timestamptz)
  ) with ordinality as e(stream, revision, id, type, data, metadata, created, place);
  get diagnostics _count = row_count;
  perform pg_notify('muniment', (coalesce(_last.position, 0) + _count)::text);
  return null;
end $$;
drop function if exists log.append(
  integer[], text[], integer[], uuid[], text[], jsonb[], jsonb[], jsonb, jsonb, boolean
);

-- The hook through which the read models are written in the append's transaction; the projections
-- replace it with their own. False: they are written later.
do $$ begin
  if (select prorettype = 'void'::regtype from pg_proc
      where oid = to_regprocedure('log.project(jsonb, integer[])')) then
    drop function log.project(jsonb, integer[]);
  end if;
  if to_regprocedure('log.project(jsonb, integer[])') is null then
    create function log.project(_changes jsonb, _refused integer[]) returns boolean
    language plpgsql as 'begin return true; end';
  end if;
end $$;
