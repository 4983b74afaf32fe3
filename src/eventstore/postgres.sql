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
-- owner (`lookup`): who tries again after an unknown outcome meets their own.
create or replace function state.claim(_changes jsonb, _refused integer[])
returns table (request integer, model text, id text)
language plpgsql as $$
#variable_conflict use_column
begin
  return query
  with claim as materialized (
    select c.*
    from jsonb_to_recordset(_changes)
      as c(request integer, op text, model text, id text, lookup text, payload text, "expiresAt" timestamptz)
    where c.op = 'claim' and c.request <> all(_refused)
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
language plpgsql as $$
begin
  insert into state.entries (model, id, lookup, payload, expires_at)
  select c.model, c.id, c.lookup, c.payload, c."expiresAt"
  from jsonb_to_recordset(_changes)
    as c(request integer, op text, model text, id text, lookup text, payload text, "expiresAt" timestamptz)
  where c.op = 'put' and c.request <> all(_refused)
  on conflict (model, id) do update
    set lookup = excluded.lookup, payload = excluded.payload, expires_at = excluded.expires_at;

  delete from state.entries e
  using jsonb_to_recordset(_changes) as c(request integer, op text, model text, id text)
  where c.op = 'drop' and c.request <> all(_refused) and e.model = c.model and e.id = c.id;
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
-- itself. Arrays have one element an event; `_expected` is the revision its stream had before the
-- request's first event (-1: none, null: any). A stream occurs in one request of a batch only.
-- With `_again`, requests already in the log are found by the ids of their events.
-- outcome: appended (position) | repeated (position) | moved (subject: stream) | claimed (subject: model id)
create or replace function log.append(
  _request integer[], _stream text[], _expected integer[], _id uuid[], _type text[],
  _data jsonb[], _metadata jsonb[], _state jsonb, _changes jsonb, _again boolean
)
returns table (request integer, outcome text, subject text, "position" bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  _last bigint;
  _first bigint;
  _heads record;
  _refused integer[] := '{}';
  _taken integer[];
  _repeated integer[] := '{}';
begin
  -- One appender at a time, in every process, until commit: positions have no gaps and are in the
  -- order of commits, so a reader may ask for what comes after the last it saw.
  perform pg_advisory_xact_lock(746601);
  select coalesce(max(e.position), 0) into _first from log.events e;
  _last := _first;

  select
    array_agg(h.request) as request, array_agg(h.stream) as stream,
    array_agg(h.expected) as expected, array_agg(h.revision) as revision,
    coalesce(array_agg(distinct h.request) filter (where h.expected <> h.revision), '{}') as moved
  into _heads
  from (
    select g.request, g.stream, min(g.expected) as expected, coalesce(
      (select e.revision from log.events e where e.stream = g.stream order by e.revision desc limit 1),
      -1) as revision
    from unnest(_request, _stream, _expected) as g(request, stream, expected)
    group by g.request, g.stream
  ) h;
  _refused := coalesce(_heads.moved, '{}');

  if _again or cardinality(_refused) > 0 then
    with given as (
      select g.request, g.stream, g.expected, g.id,
        row_number() over (partition by g.request, g.stream order by g.nth) as nth
      from unnest(_request, _stream, _expected, _id) with ordinality as g(request, stream, expected, id, nth)
      where _again or g.request = any(_refused)
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
      select g.request, 'repeated', null::text, max(e.position)
      from unnest(_request, _stream, _id) as g(request, stream, id)
      join log.events e on e.stream = g.stream and e.id = g.id
      where g.request = any(_repeated)
      group by g.request;
    return query
      select h.request, 'moved', min(h.stream), null::bigint
      from unnest(_heads.request, _heads.stream, _heads.expected, _heads.revision)
        as h(request, stream, expected, revision)
      where h.expected <> h.revision and h.request <> all(_repeated)
      group by h.request;
    _refused := _refused || _repeated;
  end if;

  if _state is not null then
    select array_agg(c.request) into _taken from state.claim(_state, _refused) c;
    if _taken is not null then
      return query
        select c.request, 'claimed', c.model || ' ' || c.id, null::bigint
        from jsonb_to_recordset(_state) as c(request integer, op text, model text, id text)
        where c.op = 'claim' and c.request = any(_taken);
      _refused := _refused || _taken;
    end if;
    perform state.write(_state, _refused);
  end if;

  return query
  with written as (
    insert into log.events (position, stream, revision, id, type, data, metadata, created)
    select
      _first + row_number() over (order by g.nth), g.stream,
      h.revision + row_number() over (partition by g.request, g.stream order by g.nth),
      g.id, g.type, g.data, g.metadata, clock_timestamp()
    from unnest(_request, _stream, _id, _type, _data, _metadata)
      with ordinality as g(request, stream, id, type, data, metadata, nth)
    join unnest(_heads.request, _heads.stream, _heads.revision) as h(request, stream, revision)
      on h.request = g.request and h.stream = g.stream
    where g.request <> all(_refused)
    returning stream, position
  )
  select g.request, 'appended', null::text, max(w.position)
  from written w
  join (select distinct t.request, t.stream from unnest(_request, _stream) as t(request, stream)) g
    on g.stream = w.stream and g.request <> all(_refused)
  group by g.request;

  if _changes is not null then
    perform log.project(_changes, _refused);
  end if;

  select coalesce(max(e.position), 0) into _last from log.events e;
  if _last > _first then
    perform pg_notify('muniment', _last::text);
  end if;
end $$;

-- The hook through which the read models are written in the append's transaction; the projections
-- replace it with their own.
do $$ begin
  if to_regprocedure('log.project(jsonb, integer[])') is null then
    create function log.project(_changes jsonb, _refused integer[]) returns void
    language plpgsql as 'begin end';
  end if;
end $$;
