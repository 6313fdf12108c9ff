{{ config(materialized='view') }}
-- Regimes of handling, with the complexity that weighs the work, by the days on which it holds.
with regimes as (
    select * from {{ ref('regimes') }}
)

select
    regime_code,
    regime_name,
    complexity,
    valid_from,
    valid_to
from regimes
