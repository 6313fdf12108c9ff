"""Who sees which block, and who may look into the vault until when; every look is on record.

Revision ID: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_APPEND_ONLY = (
    """
    create function audit.refuse_change() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
    begin
        raise exception 'audit.% is append only', tg_table_name
            using errcode = 'insufficient_privilege';
    end
    $$
    """,
)

_OFFICIALS = (
    """
    create table access.official_blocks (
        official_block_id bigint generated always as identity primary key,
        login text not null check (btrim(login) <> ''),
        region_code text not null check (region_code <> ''),
        block_code text not null check (block_code <> ''),
        granted_by text not null,
        granted_at timestamptz not null default clock_timestamp(),
        revoked_by text,
        revoked_at timestamptz,
        constraint official_blocks_revoked check ((revoked_at is null) = (revoked_by is null)),
        constraint official_blocks_everything check (region_code <> '*' or block_code = '*')
    )
    """,
    """
    comment on table access.official_blocks is
    'Which blocks an official sees; * in place of a code means all of them'
    """,
    """
    create unique index official_blocks_in_force
    on access.official_blocks (login, region_code, block_code) where revoked_at is null
    """,
    # The dashboards share one login and tell in a setting who asks; whoever logs in with a login
    # of his own is that login, whatever he sets.
    """
    create function access.current_login() returns text
    language sql stable set search_path = pg_catalog
    as $$
    select case
        when session_user = 'tsur_official' then nullif(current_setting('tsur.login', true), '')
        else session_user::text
    end
    $$
    """,
    """
    create function access.sees_everything() returns boolean
    language sql stable security definer set search_path = pg_catalog
    as $$
    select exists (
        select from access.official_blocks
        where login = access.current_login() and revoked_at is null and region_code = '*'
    )
    $$
    """,
    """
    create function access.whole_regions() returns text[]
    language sql stable security definer set search_path = pg_catalog
    as $$
    select coalesce(array_agg(region_code order by region_code), '{}')
    from access.official_blocks
    where login = access.current_login() and revoked_at is null and block_code = '*'
    $$
    """,
    """
    create function access.own_blocks() returns table (region_code text, block_code text)
    language sql stable security definer set search_path = pg_catalog
    as $$
    select b.region_code, b.block_code
    from access.official_blocks as b
    where b.login = access.current_login() and b.revoked_at is null and b.block_code <> '*'
    $$
    """,
    """
    revoke all on function access.current_login(), access.sees_everything(),
        access.whole_regions(), access.own_blocks() from public
    """,
    """
    grant execute on function access.current_login(), access.sees_everything(),
        access.whole_regions(), access.own_blocks() to tsur_official
    """,
    "grant select on access.official_blocks to tsur_auditor",
)

_VAULT = (
    """
    create table access.vault_grants (
        grant_id bigint generated always as identity primary key,
        login text not null check (btrim(login) <> ''),
        reason text not null check (btrim(reason) <> ''),
        granted_by text not null,
        granted_at timestamptz not null default clock_timestamp(),
        ends_at timestamptz not null,
        revoked_by text,
        revoked_at timestamptz,
        constraint vault_grants_revoked check ((revoked_at is null) = (revoked_by is null)),
        constraint vault_grants_end check (
            ends_at > granted_at and ends_at <= granted_at + interval '7 days'
        )
    )
    """,
    "grant select on access.vault_grants to tsur_auditor",
    """
    create table audit.vault_looks (
        look_id bigint generated always as identity primary key,
        login text not null,
        reason text not null check (btrim(reason) <> ''),
        pseudonyms text[] not null check (cardinality(pseudonyms) between 1 and 100),
        grant_id bigint references access.vault_grants (grant_id),
        asked_at timestamptz not null default clock_timestamp(),
        asked_in xid8 not null default pg_current_xact_id()
    )
    """,
    """
    comment on column audit.vault_looks.grant_id is
    'The grant that allowed the look; null: there was none, and nothing was shown'
    """,
    """
    create trigger append_only before update or delete or truncate on audit.vault_looks
    for each statement execute function audit.refuse_change()
    """,
    "grant select on audit.vault_looks to tsur_auditor",
    # First the look is put on record, then, in a later transaction, the vault is opened: a look
    # that is rolled back would have been seen and left no trace.
    """
    create function audit.ask_vault(pseudonyms text[], reason text) returns bigint
    language sql security definer set search_path = pg_catalog
    as $$
    insert into audit.vault_looks (login, reason, pseudonyms, grant_id)
    values (
        session_user, reason, pseudonyms,
        (
            select max(grant_id) from access.vault_grants
            where
                login = session_user and revoked_at is null
                and clock_timestamp() between granted_at and ends_at
        )
    )
    returning look_id
    $$
    """,
    """
    create function audit.open_vault(look bigint)
    returns table (pseudonym text, kind text, value_sealed bytea, erased_at timestamptz)
    language plpgsql security definer set search_path = pg_catalog
    as $$
    declare
        asked audit.vault_looks;
    begin
        select * into asked from audit.vault_looks as l
        where l.look_id = look and l.login = session_user;
        if asked.look_id is null then
            raise exception 'look % was not asked for by %', look, session_user
                using errcode = 'insufficient_privilege';
        end if;
        if pg_xact_status(asked.asked_in) is distinct from 'committed' then
            raise exception 'look % is not on record yet: commit it first', look
                using errcode = 'insufficient_privilege';
        end if;
        if not exists (
            select from access.vault_grants as g
            where
                g.grant_id = asked.grant_id and g.revoked_at is null
                and clock_timestamp() between g.granted_at and g.ends_at
        ) then
            raise exception '% has no grant for the vault that is in force', session_user
                using errcode = 'insufficient_privilege';
        end if;
        if asked.asked_at < clock_timestamp() - interval '10 minutes' then
            raise exception 'look % is older than 10 minutes: ask again', look
                using errcode = 'insufficient_privilege';
        end if;
        return query
        select i.pseudonym, i.kind, i.value_sealed, i.erased_at
        from vault.identities as i
        where i.pseudonym = any(asked.pseudonyms)
        order by i.pseudonym;
    end
    $$
    """,
    """
    revoke all on function audit.ask_vault(text[], text), audit.open_vault(bigint),
        audit.refuse_change() from public
    """,
    "grant execute on function audit.ask_vault(text[], text), audit.open_vault(bigint)"
    " to tsur_auditor",
)

_DOWN = (
    "drop function audit.open_vault(bigint), audit.ask_vault(text[], text)",
    "drop table audit.vault_looks, access.vault_grants",
    # The policies of the marts name these functions; the next build makes them again.
    "drop function access.own_blocks(), access.whole_regions(), access.sees_everything() cascade",
    "drop function access.current_login() cascade",
    "drop table access.official_blocks",
    "drop function audit.refuse_change()",
)


def upgrade() -> None:
    """Blocks of officials, grants for the vault, and the record of looks into it."""
    for statement in (*_APPEND_ONLY, *_OFFICIALS, *_VAULT):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """Who sees what, and who looked into the vault, is lost."""
    for statement in _DOWN:
        op.get_bind().exec_driver_sql(statement)
