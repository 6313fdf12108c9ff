{{ config(materialized='view') }}
-- The latest state of every record that a source presents as a case, in one shape.
with pos_messages as (
    select * from {{ ref('stg_pos_messages') }}
),

open311_requests as (
    select * from {{ ref('stg_open311_requests') }}
),

municipal_register as (
    select * from {{ ref('stg_municipal_register') }}
),

vk_posts as (
    select * from {{ ref('stg_vk_posts') }}
),

vk_comments as (
    select * from {{ ref('stg_vk_comments') }}
),

kursk_messages as (
    select * from {{ ref('stg_kursk_messages') }}
),

perm_incidents as (
    select * from {{ ref('stg_perm_incidents') }}
),

boston_311_2015 as (
    select * from {{ ref('stg_boston_311_2015') }}
),

fixmystreet_polls as (
    select * from {{ ref('stg_fixmystreet_polls') }}
),

chelyabinsk_comments as (
    select * from {{ ref('stg_chelyabinsk_comments') }}
),

vk_api_responses as (
    select * from {{ ref('stg_vk_api_responses') }}
)

select * from pos_messages
union all
select * from open311_requests
union all
select * from municipal_register
union all
select * from vk_posts
union all
select * from vk_comments
union all
select * from kursk_messages
union all
select * from perm_incidents
union all
select * from boston_311_2015
union all
select * from fixmystreet_polls
union all
select * from chelyabinsk_comments
union all
select * from vk_api_responses
