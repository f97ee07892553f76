//! From the bytes of the configuration to a [`Policy`].
//!
//! In three steps: `read` finds out what the bytes are, [`schema::check`] finds every error of shape, and the
//! modules below find what only makes sense in context, and compile. The last step runs on documents of the
//! wrong shape too, so that all errors are reported at once; what it makes of those is thrown away.
//!
//! All of this runs once, so nothing of it is inlined: the host compiles every function before the first
//! request, and takes far more than twice as long for one of twice the length.

mod address;
mod cache;
mod client_auth;
mod client_lists;
mod dpop;
mod endpoint;
mod jwks;
mod log;
mod matching;
mod mtls;
mod node;
mod provider;
mod resource;
mod responses;
mod revocation;
mod rules;
mod status_list;
mod token;
mod upstream;
mod user_info;

use serde_json::{Map, Value};

use crate::error::{ConfigError, Fault, Needed};
use crate::key::Read as _;
use crate::keys::{self, CONFIGURATION};
use crate::parse::node::{Node, Part};
use crate::protobuf;
use crate::schema::{self, Faults, Place, nearest};
use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::base::json;
use tollgate_engine::policy::resource::Resources;
use tollgate_engine::policy::{OnExpiry, Policy};
use tollgate_engine::provider::client_list::ListSource;
use tollgate_engine::provider::clients::ClientList;
use tollgate_engine::response::Profile;

/// Reads a configuration: JSON text, or a serialized `google.protobuf.Struct`. `env` looks up environment
/// variables. Reports every error at once, in the order of the reference.
#[inline(never)]
pub fn policy(bytes: &[u8], env: &dyn Fn(&str) -> Option<String>) -> Result<Policy, Vec<ConfigError>> {
    let value = read(bytes).map_err(|fault| vec![whole_document(fault)])?;
    policy_of(&value, env)
}

/// Reads a configuration that is a document already.
pub fn policy_of(value: &Value, env: &dyn Fn(&str) -> Option<String>) -> Result<Policy, Vec<ConfigError>> {
    if value.as_object().is_some_and(Map::is_empty) {
        return Err(vec![whole_document(Fault::Empty)]);
    }
    let mut faults = Faults::default();
    schema::check(&CONFIGURATION, value, &Place::default(), &mut faults);
    let document = schema::complete(&CONFIGURATION, value);
    let (policy, found) = compile(&Node::whole(&CONFIGURATION, &document), env);
    faults.join(found);
    if faults.is_empty() {
        return Ok(policy);
    }
    discard(policy);
    Err(faults.into_errors())
}

/// The same code as wherever else a policy ends.
#[inline(never)]
fn discard(policy: Policy) {
    drop(policy);
}

fn whole_document(fault: Fault) -> ConfigError {
    ConfigError { at: Place::default(), fault }
}

/// Finds out what the bytes are. A `Struct` starts with a newline, as JSON may, so the one that can be
/// read decides; and if neither can, the one that was more likely meant is reported.
fn read(bytes: &[u8]) -> Result<Value, Fault> {
    let start = bytes.trim_ascii_start().first();
    if start.is_none() {
        return Err(Fault::Empty);
    }
    let as_json = match json::parse(bytes) {
        Ok(value @ Value::Object(_)) => return Ok(value),
        Ok(_) => Fault::NotAnObject,
        Err(_) if start != Some(&b'{') => Fault::NotAnObject,
        Err(error) => Fault::Json(error),
    };
    let as_struct = match protobuf::parse(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => Fault::Struct(error),
    };
    let is_text = std::str::from_utf8(bytes)
        .is_ok_and(|text| !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')));
    Err(if is_text || start == Some(&b'{') { as_json } else { as_struct })
}

/// What the parts of the configuration know of one another.
struct Context<'a> {
    /// All of it, where errors look for their places.
    document: Part<'a>,
    env: &'a dyn Fn(&str) -> Option<String>,
    /// The providers' names, in order.
    providers: Vec<&'a str>,
    client_lists: Vec<ClientList>,
    /// Those of them that are fetched.
    lists: Vec<ListSource>,
    /// What we call ourselves in calls.
    user_agent: &'a str,
    /// Whether proofs of possession by DPoP are understood.
    has_dpop: bool,
    /// Whether clients' certificates are known.
    has_mtls: bool,
    /// The providers that push events.
    transmitters: Vec<ProviderId>,
    faults: Faults,
}

/// Texts that each may be there once.
#[derive(Default)]
struct Seen<'a> {
    /// Which of the parts has a text.
    ranks: Map<String, Value>,
    /// Where each text is first, as often as it is there.
    parts: Vec<Part<'a>>,
}

#[inline(never)]
fn compile(root: &Node<'_, keys::Configuration>, env: &dyn Fn(&str) -> Option<String>) -> (Policy, Faults) {
    let providers = root.at(keys::Configuration::PROVIDERS);
    let user_agent = root.at(keys::Configuration::USER_AGENT);
    let mut context = Context {
        document: **root,
        env,
        providers: providers.members().map(|(name, _)| name).collect(),
        client_lists: Vec::new(),
        lists: Vec::new(),
        user_agent: if user_agent.is_set() {
            user_agent.text()
        } else {
            concat!("tollgate/", env!("CARGO_PKG_VERSION"))
        },
        has_dpop: root.at(keys::Configuration::DPOP).is_set(),
        has_mtls: root.at(keys::Configuration::MTLS).is_set(),
        transmitters: Vec::new(),
        faults: Faults::default(),
    };
    context.client_lists = client_lists::parse(&root.at(keys::Configuration::CLIENT_LISTS), &mut context);
    let revocation = revocation::parse(root, &mut context);
    let upstream = upstream::parse(&root.at(keys::Configuration::UPSTREAM), &mut context);
    let responses = responses::parse(&root.at(keys::Configuration::RESPONSES), &mut context);
    let mut policy = Policy {
        provider_order: context.provider_ids(&root.at(keys::Configuration::PROVIDER_ORDER)),
        token: token::parse(root, &upstream, responses.profile == Profile::Anypoint, &mut context),
        requires: rules::requirement(&root.at(keys::Configuration::REQUIRES), &mut context),
        rules: rules::parse(root, &mut context),
        matching: matching::parse(&root.at(keys::Configuration::MATCHING)),
        providers: provider::parse(&providers, &mut context),
        lists: std::mem::take(&mut context.lists),
        upstream,
        log: log::parse(&root.at(keys::Configuration::LOG), &mut context),
        cache: cache::parse(&root.at(keys::Configuration::CACHE)),
        revocation,
        dpop: dpop::parse(&root.at(keys::Configuration::DPOP), &mut context),
        mtls: mtls::parse(&root.at(keys::Configuration::MTLS), &mut context),
        resources: Resources::default(),
        responses,
        cors_preflight: root.get(keys::Configuration::CORS_PREFLIGHT),
        mode: root.get(keys::Configuration::MODE),
        max_streams: (root.get(keys::Configuration::ON_EXPIRY) == OnExpiry::Close)
            .then(|| root.get(keys::Configuration::ON_EXPIRY_MAX_STREAMS)),
    };
    policy.resources = resource::parse(root, &policy, &mut context);
    user_info::check(root, &policy, &mut context);
    cache::check_ages(root, &policy, &mut context);
    (policy, context.faults)
}

impl Context<'_> {
    /// What an environment variable holds, without one line break at its end: files that become variables
    /// have one. `None`: nothing.
    #[inline(never)]
    fn variable(&self, name: &str) -> Option<String> {
        let mut value = (self.env)(name)?;
        if value.ends_with('\n') {
            value.pop();
            if value.ends_with('\r') {
                value.pop();
            }
        }
        Some(value).filter(|value| !value.is_empty())
    }

    /// A list of providers' names: each is known, and none comes twice.
    #[inline(never)]
    fn provider_ids(&mut self, list: &Node<'_, Vec<String>>) -> Vec<ProviderId> {
        self.no_duplicates(list);
        let mut ids = Vec::new();
        for name in list.items() {
            ids.extend(self.provider_id(&name));
        }
        ids
    }

    /// A provider's name, which has to be known.
    #[inline(never)]
    fn provider_id(&mut self, name: &Node<'_, String>) -> Option<ProviderId> {
        let id = self.providers.iter().position(|known| *known == name.text());
        if id.is_none() && !self.providers.is_empty() {
            self.fault(name, unknown_name("provider", name.text(), &self.providers));
        }
        id.map(ProviderId)
    }

    /// Adds an error for every text of a list that repeats an earlier one.
    #[inline(never)]
    fn no_duplicates(&mut self, list: &Part<'_>) {
        let mut seen = Seen::default();
        for item in list.items() {
            self.once(&mut seen, item.text().to_owned(), &item);
        }
    }

    /// Adds an error if a text has been seen.
    #[inline(never)]
    fn once_text<'p>(&mut self, seen: &mut Seen<'p>, text: &Node<'p, String>) {
        self.once(seen, text.text().to_owned(), text);
    }

    /// Adds an error at a part whose text is not empty and has been seen.
    #[inline(never)]
    fn once<'p>(&mut self, seen: &mut Seen<'p>, text: String, part: &Part<'p>) {
        if text.is_empty() {
            return;
        }
        let before = seen.ranks.insert(text, seen.parts.len().into());
        let first = before.and_then(|rank| seen.parts.get(usize::read(Some(&rank)))).copied();
        if let Some(first) = &first {
            self.duplicate(part, first);
        }
        seen.parts.push(first.unwrap_or(*part));
    }

    /// An error at a part.
    #[inline(never)]
    fn fault(&mut self, part: &Part<'_>, fault: Fault) {
        self.faults.add(&part.place_in(&self.document), fault);
    }

    /// An error at what is the same as something before it.
    #[inline(never)]
    fn duplicate(&mut self, part: &Part<'_>, first: &Part<'_>) {
        self.fault(part, Fault::Duplicate { first: first.place_in(&self.document) });
    }

    /// An error at a key whose meaning depends on another one.
    #[inline(never)]
    fn contradiction(&mut self, part: &Part<'_>, with: &Part<'_>, why: &'static str) {
        self.fault(part, Fault::Contradiction { with: with.place_in(&self.document), why });
    }

    /// An error at a key that needs another one.
    #[inline(never)]
    fn needs(&mut self, part: &Part<'_>, other: Needed) {
        self.fault(part, Fault::Needs { other });
    }

    /// An error at a key that has to be there.
    #[inline(never)]
    fn missing(&mut self, part: &Part<'_>) {
        self.fault(part, Fault::Missing);
    }

    /// An error at text that is not what it should be.
    #[inline(never)]
    fn expected(&mut self, part: &Part<'_>, what: &str) {
        self.fault(part, Fault::Expected { what: what.to_owned() });
    }

    /// An error at a name that is not the operator's to give.
    #[inline(never)]
    fn reserved(&mut self, part: &Part<'_>, why: &'static str) {
        self.fault(part, Fault::Reserved { why });
    }

    /// An error at the name of a variable that is not set.
    #[inline(never)]
    fn unset(&mut self, part: &Part<'_>) {
        self.fault(part, Fault::Unset);
    }

    /// An error at the name of a variable that does not hold what it should.
    #[inline(never)]
    fn unfit_variable(&mut self, part: &Part<'_>, what: &'static str) {
        self.fault(part, Fault::UnfitVariable { what });
    }
}

#[inline(never)]
fn unknown_name(what: &'static str, name: &str, known: &[&str]) -> Fault {
    Fault::UnknownName {
        what,
        nearest: nearest(name, known.iter().copied()).map(str::to_owned),
        known: schema::listed(known, "and"),
    }
}

/// Names of header fields as upstreams may confuse them.
#[inline(never)]
fn alike(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}
