//! What stands between us and a target besides the network: the way is dial, proxy, PROXY protocol header, and only
//! then the session. Its default is the straight way.

use std::sync::Arc;

use crate::addr::Endpoint;
use crate::net::proxy::Proxy;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Via {
    /// The proxy to go through.
    pub proxy: Option<Arc<Proxy>>,
}

impl Via {
    /// Straight to the target.
    pub const STRAIGHT: &Self = &Self { proxy: None };

    /// The proxy on the way to this target.
    #[must_use]
    pub fn proxy_to(&self, target: &Endpoint) -> Option<&Proxy> {
        self.proxy.as_deref().filter(|proxy| !matches!(target, Endpoint::Inet(inet) if proxy.exempt.covers(inet)))
    }

    /// The proxy that is to resolve the name of this target.
    #[must_use]
    pub fn resolves(&self, target: &Endpoint) -> bool {
        self.proxy_to(target).is_some_and(|proxy| !proxy.kind.resolves_here())
    }
}
