// oidc-provider for MCP clients: open registration (RFC 7591), PKCE, resource indicators (RFC 8707), opaque
// tokens. Whoever comes with a browser is logged in as "ada" and agrees to everything.
//
// Environment: PORT, GATEWAY_SECRET. It prints "ready" once it listens.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const { PORT: port, GATEWAY_SECRET: gatewaySecret } = process.env;
const SCOPES = ['notes:read', 'notes:write'];

const provider = new Provider(`http://127.0.0.1:${port}`, {
  scopes: ['openid', 'offline_access', ...SCOPES],
  clients: [
    {
      client_id: 'gateway',
      client_secret: gatewaySecret,
      grant_types: [],
      response_types: [],
      redirect_uris: [],
    },
  ],
  // MCP clients register for the scopes that they need first. Which ones they get later is between them and the user.
  extraClientMetadata: {
    properties: ['registered_scope'],
    validator: (_ctx, _key, _value, metadata) => { metadata.scope = undefined; },
  },
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId === 'gateway' },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: SCOPES.join(' '),
        audience: resource,
        accessTokenFormat: 'opaque',
      }),
    },
  },
});

/** Logs in and agrees, as a user would. */
async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const result = {};
  if (prompt.name === 'login') {
    result.login = { accountId: 'ada' };
  } else {
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, scopes.join(' '));
    }
    if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(' '));
    result.consent = { grantId: await grant.save() };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const callback = provider.callback();
const server = http.createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) return callback(request, response);
  return interact(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
server.keepAliveTimeout = 75_000; // longer than Envoy keeps an idle connection in use
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
