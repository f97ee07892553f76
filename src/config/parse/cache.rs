//! `cache`, where every combination makes sense, and `max_cache_age`, which makes sense only for tokens that are introspected.

use crate::keys::{self, Cache};
use crate::parse::Context;
use crate::parse::node::Node;
use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::policy::Policy;
use tollgate_engine::policy::cache_times::CacheTimes;
use tollgate_engine::policy::requirement::Requirement;
use tollgate_engine::provider::Validate;

/// All of it.
#[inline(never)]
pub(super) fn parse(cache: &Node<'_, Cache>) -> CacheTimes {
    CacheTimes {
        max_entries: cache.get(Cache::MAX_ENTRIES),
        ttl: cache.get(Cache::TTL),
        ttl_without_exp: cache.get(Cache::TTL_WITHOUT_EXP),
        ttl_jitter: cache.get(Cache::TTL_JITTER),
        negative_ttl: cache.get(Cache::NEGATIVE_TTL),
        negative_max_entries: cache.get(Cache::NEGATIVE_MAX_ENTRIES),
        shared: cache.get(Cache::SHARED),
        refresh_ahead: cache.get(Cache::REFRESH_AHEAD),
        stale_if_error: cache.get(Cache::STALE_IF_ERROR),
    }
}

/// Finds every `max_cache_age` for tokens that are verified locally.
#[inline(never)]
pub(super) fn check_ages(root: &Node<'_, keys::Configuration>, policy: &Policy, context: &mut Context<'_>) {
    let general = (&policy.requires, root.at(keys::Configuration::REQUIRES));
    let rules = policy.rules.iter().zip(root.at(keys::Configuration::RULES).items());
    let own = rules.filter_map(|(rule, node)| Some((rule.requires.as_ref()?, node.at(keys::Rule::REQUIRES))));
    for (requires, node) in std::iter::once(general).chain(own) {
        let Requirement { providers, max_cache_age: Some(_), .. } = requires else { continue };
        let members = root.at(keys::Configuration::PROVIDERS).members();
        for (at, (provider, (_, of))) in policy.providers.iter().zip(members).enumerate() {
            let is_meant = providers.is_empty() || providers.contains(&ProviderId(at));
            if is_meant && provider.validate == Validate::Jwt {
                let (age, validate) =
                    (node.at(keys::Requirement::MAX_CACHE_AGE), of.at(keys::Provider::VALIDATE));
                context.contradiction(
                    &age,
                    &validate,
                    "tokens that are verified locally are not introspected",
                );
            }
        }
    }
}
