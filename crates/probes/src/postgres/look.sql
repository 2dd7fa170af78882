-- All that the probe looks at, as one row. $1: from how many seconds on a query is slow; $2: from how many seconds of
-- waiting for a lock on it is blocked. Without them nothing is.
with session as (
    select
        activity.pid,
        state = 'active' and wait_event_type is distinct from 'Lock' as runs,
        extract(epoch from clock_timestamp() - query_start)::float8 as runs_s,
        -- The time at which a wait began is noted only a moment after it did.
        case when wait_event_type = 'Lock' then coalesce(
            (select extract(epoch from clock_timestamp() - min(waitstart)) from pg_locks
             where pg_locks.pid = activity.pid and not granted), 0)::float8
        end as waits_s
    from pg_stat_activity as activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()
), standby as (
    select
        application_name,
        extract(epoch from replay_lag)::float8 as lag_s,
        case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 end as lag_bytes
    from pg_stat_replication where state = 'streaming'
), here as (
    select
        pg_is_in_recovery() as is_standby,
        exists (select from pg_stat_wal_receiver) as is_streaming,
        coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), false) as has_replayed_all,
        -- A standby that has replayed nothing since its start knows no other time.
        extract(epoch from clock_timestamp()
            - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time()))::float8 as since_s
)
select
    current_setting('max_connections')::int8
        - current_setting('superuser_reserved_connections')::int8
        - coalesce(current_setting('reserved_connections', true)::int8, 0) as allowed,
    (select count(*) from pg_stat_activity where backend_type = 'client backend'
        or (usesysid is not null and query = '<insufficient privilege>')) as used,
    (select count(*) from pg_stat_activity
        where usesysid is not null and query = '<insufficient privilege>') as hidden,
    (select count(*) from session where runs and runs_s > $1::float8) as slow,
    (select max(runs_s) from session where runs) as longest_query_s,
    (select count(*) from session where waits_s > $2::float8) as blocked,
    (select max(waits_s) from session) as longest_blocked_s,
    -- Asked only of those that wait, since it holds up the table of locks.
    (select string_agg(distinct blocker::text, ' and ') from session, unnest(pg_blocking_pids(session.pid)) as blocker
        where waits_s > $2::float8) as blockers,
    is_standby,
    case when is_standby then pg_is_wal_replay_paused() else false end as is_paused,
    is_streaming,
    case
        when not is_standby then (select max(lag_s) from standby)
        when is_streaming and has_replayed_all then 0
        else since_s
    end as standby_lag_s,
    case
        when not is_standby then (select max(lag_bytes) from standby)
        else pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8
    end as lag_bytes,
    (select application_name from standby order by lag_s desc nulls last limit 1) as furthest,
    (select max(greatest(age(datfrozenxid), mxid_age(datminmxid)))::int8 from pg_database) as transaction_age
from here
