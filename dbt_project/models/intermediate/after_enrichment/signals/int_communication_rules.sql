-- The rules of conflicts and communication errors, and whether what they need of a text is known yet.
with rules as (
    select * from {{ ref('communication_rules') }}
    where valid_to is null
),

models as (
    select * from {{ source('nlp', 'models') }}
    where is_current
),

known as (
    select
        exists(
            select 1
            from {{ source('nlp', 'text_signals') }} as signals
            inner join models on signals.model_version = models.model_version
            where signals.tone is not null
        ) as tone,
        exists(
            select 1
            from {{ source('nlp', 'reply_signals') }} as signals
            inner join models on signals.model_version = models.model_version
            where
                signals.has_action is not null
                and signals.has_date is not null
                and signals.has_legal_reason is not null
        ) as substance,
        exists(
            select 1
            from {{ source('nlp', 'reply_signals') }} as signals
            inner join models on signals.model_version = models.model_version
            where signals.has_personal_data is not null
        ) as personal_data,
        exists(
            select 1
            from {{ source('nlp', 'reply_signals') }} as signals
            inner join models on signals.model_version = models.model_version
            where signals.is_rude is not null
        ) as rudeness,
        exists(
            select 1
            from {{ source('nlp', 'reply_signals') }} as signals
            inner join models on signals.model_version = models.model_version
            where signals.promised_date is not null
        ) as promise
)

select
    rules.rule_code,
    rules.issue_code,
    rules.rule_name,
    rules.sort_order,
    rules.valid_from,
    rules.clause,
    case rules.needs_signal
        when 'tone' then known.tone
        when 'substance' then known.substance
        when 'personal_data' then known.personal_data
        when 'rudeness' then known.rudeness
        when 'promise' then known.promise
        else true
    end as is_computed
from rules
cross join known
