{{ config(materialized='view') }}
-- Regimes of handling, with the complexity that weighs the work.
with regimes as (
    select * from {{ ref('regimes') }}
    where valid_to is null
)

select
    regime_code,
    regime_name,
    complexity
from regimes
