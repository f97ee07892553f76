// The demo's authorization server: oidc-provider (certified OpenID Provider) with four clients, all in memory.
//
//   POST /token                client credentials grant (RFC 6749 section 4.4)
//   POST /token/introspection  RFC 7662, for the gateway alone
//   POST /token/revocation     RFC 7009, for the client that owns the token
//
// Environment: PORT, HOST (127.0.0.1), ISSUER (http://localhost:PORT), GATEWAY_SECRET.
// It prints "ready" once it listens, and forgets everything when it ends.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const port = Number(process.env.PORT ?? 9000);
const host = process.env.HOST ?? '127.0.0.1';
const issuer = process.env.ISSUER ?? `http://localhost:${port}`;
const gatewaySecret = process.env.GATEWAY_SECRET;
if (!gatewaySecret) {
  console.error('GATEWAY_SECRET is missing: the secret of the client "gateway", which may introspect tokens.');
  process.exit(2);
}

// A client that signs in as itself, and the scopes it may ask for.
const service = (id, scope) => ({
  client_id: id,
  client_secret: `${id}-demo-secret`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope,
});

const provider = new Provider(issuer, {
  clients: [
    service('hr-app', 'employees:read employees:write'),
    service('phone-book', 'employees:read'),
    // Its tokens are bound to a key of its own (RFC 9449).
    { ...service('payroll', 'employees:read'), dpop_bound_access_tokens: true },
    // The gateway gets no tokens; it may only ask about them.
    { client_id: 'gateway', client_secret: gatewaySecret, grant_types: [], redirect_uris: [], response_types: [] },
  ],
  scopes: ['employees:read', 'employees:write'],
  ttl: { ClientCredentials: 3600 },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId === 'gateway' },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    resourceIndicators: { enabled: false },
    devInteractions: { enabled: false },
  },
});

const server = http.createServer(provider.callback());
server.keepAliveTimeout = 75_000; // longer than Envoy keeps an idle connection in use
server.listen(port, host, () => console.log('ready'));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
