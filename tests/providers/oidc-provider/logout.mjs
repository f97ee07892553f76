// oidc-provider with users who log in and out, and back-channel logout: it pushes a logout token to the gateway.
//
// The client "shop" signs users in; "gateway" introspects. Whoever is asked to log in is the user named in `login_hint`.
//
// Environment: PORT, ISSUER, LOGOUT_URI (of the gateway). It prints "ready" once it listens.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { Provider } from 'oidc-provider';

const { PORT: port, ISSUER: issuer, LOGOUT_URI: logoutUri } = process.env;
const callback = 'https://shop.example.com/callback';

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'shop',
      client_secret: 'shop-secret',
      grant_types: ['authorization_code'],
      redirect_uris: [callback],
      response_types: ['code'],
      backchannel_logout_uri: logoutUri,
      backchannel_logout_session_required: true,
    },
    { client_id: 'gateway', client_secret: 'gateway-secret', grant_types: [], redirect_uris: [], response_types: [] },
  ],
  jwks: { keys: [{ kid: 'rsa', use: 'sig', ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }) }] },
  cookies: { keys: ['of-this-test'] },
  pkce: { required: () => false },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  // It refuses loopback addresses otherwise.
  fetch: (url, { dispatcher: _, ...options }) => globalThis.fetch(url, options),
  features: {
    introspection: { enabled: true, allowedPolicy: () => true },
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: { enabled: false },
    rpInitiatedLogout: {
      enabled: true,
      // The user confirms without being asked.
      logoutSource(ctx, form) {
        ctx.body = form;
      },
    },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
});

// Logs the user in, and grants what the client wants.
async function interact(request, response) {
  const { params, prompt, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: params.login_hint } });
  }
  const grant = (await provider.Grant.find(grantId)) ?? new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

const known = provider.callback();
const server = http.createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) return known(request, response);
  return interact(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
server.keepAliveTimeout = 75_000; // longer than Envoy keeps an idle connection in use
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
