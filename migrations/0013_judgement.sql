-- What the judgement of events looks at (docs/actors.md).

alter table raw.user_agents add column is_crawler boolean not null default false;
comment on column raw.user_agents.is_crawler is
'Whether the crawler-user-agents list names it, as of when it was first seen or everything was last computed anew.';

create function ops.network_of(client_ip text) returns cidr
language sql immutable strict parallel safe
-- Cast outside of the case: within it, what is no address would be cast all the same where it is known when it is planned.
return set_masklen(
    (
        case
            when pg_input_is_valid(split_part(split_part(client_ip, ',', 1), '%', 1), 'inet')
                then split_part(split_part(client_ip, ',', 1), '%', 1)
        end
    )::inet::cidr,
    case when strpos(split_part(client_ip, ',', 1), ':') > 0 then 64 else 24 end
);
comment on function ops.network_of(text) is
'The network of the requester, a /24 or a /64, by the address before the first comma of what was logged; null where there is none.';
