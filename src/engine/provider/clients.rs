//! Client lists: which clients may call an API ("contracts").

use std::collections::BTreeMap;

use crate::base::ids::ListId;

/// A named or inline allow-list of client ids.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClientList {
    /// Its name in `client_lists`; `None` for an inline list.
    pub name: Option<String>,
    /// The clients, by id.
    pub clients: BTreeMap<String, Client>,
    /// The list that is fetched instead; then there are no clients here.
    pub live: Option<ListId>,
}

/// What is known about a client besides its id.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Client {
    /// A name for people.
    pub name: Option<String>,
    /// The tier it has been granted.
    pub tier: Option<String>,
}

impl ClientList {
    /// Whether the client is on the list; ids compare exactly.
    pub fn allows(&self, client_id: &str) -> bool {
        self.clients.contains_key(client_id)
    }

    /// The tier of the client, if it has one.
    pub fn tier(&self, client_id: &str) -> Option<&str> {
        self.clients.get(client_id)?.tier.as_deref()
    }
}
