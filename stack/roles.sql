-- Schemas and grants of the warehouse. Runs as tsur_owner before the migrations, again and again
-- without harm. What migrations create in raw, ops and vault is granted there; what dbt builds is
-- granted by dbt (`+grants`).
revoke all on schema public from public;
revoke all on database {database} from public;
grant connect on database {database} to
    tsur_loader, tsur_transformer, tsur_analyst, tsur_official, tsur_governor, tsur_auditor;
grant temporary on database {database} to tsur_loader, tsur_transformer;

create schema if not exists raw;
create schema if not exists ops;
create schema if not exists vault;
create schema if not exists reference;
create schema if not exists staging;
create schema if not exists intermediate;
create schema if not exists nlp;
create schema if not exists marts;
create schema if not exists marts_kept;
create schema if not exists marts_public;
create schema if not exists audit;
create schema if not exists access;

-- The loader writes what comes in; only it enters the vault.
grant usage on schema raw, ops, vault to tsur_loader;

-- The transformer reads what came in and owns all that is derived from it.
grant usage on schema raw, ops to tsur_transformer;
grant usage, create
on schema reference, staging, intermediate, nlp, marts, marts_kept, marts_public, audit
to tsur_transformer;

-- Readers. `nlp`, `staging` and `intermediate` hold texts before masking or beside it.
grant usage on schema marts, marts_kept, reference, audit to tsur_analyst, tsur_auditor;
grant usage on schema ops to tsur_auditor;
-- Rows of `marts` an official sees by his blocks (`access.official_blocks`, policies made by dbt).
grant usage on schema marts, marts_kept, reference to tsur_official;
-- The transformer names its functions in the policies that it makes.
grant usage on schema access to tsur_transformer, tsur_official, tsur_auditor;
-- Who needs aggregates only reads views in which small counts are suppressed.
grant usage on schema marts_public to tsur_governor, tsur_analyst, tsur_auditor;
