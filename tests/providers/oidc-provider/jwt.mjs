// oidc-provider whose access tokens are JWTs (RFC 9068), by resource indicators (RFC 8707), all in memory.
//
// The resource https://api.example.com/ALG gets tokens signed by that algorithm, for the audience
// https://api.example.com; without a resource tokens are opaque. The keys are new with each start.
//
// Environment: PORT, ISSUER. It prints "ready" once it listens.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { errors, Provider } from 'oidc-provider';

const { PORT: port, ISSUER: issuer } = process.env;

const pair = (kid, ...how) => ({ kid, use: 'sig', ...generateKeyPairSync(...how).privateKey.export({ format: 'jwk' }) });
const audience = 'https://api.example.com';
const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];

const provider = new Provider(issuer, {
  clients: [
    { client_id: 'app', client_secret: 'app-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
  ],
  jwks: {
    keys: [
      pair('rsa', 'rsa', { modulusLength: 2048 }),
      pair('p256', 'ec', { namedCurve: 'P-256' }),
      pair('p384', 'ec', { namedCurve: 'P-384' }),
      pair('ed', 'ed25519'),
    ],
  },
  enabledJWA: { idTokenSigningAlgValues: algorithms },
  scopes: ['orders:read', 'orders:write'],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo(_ctx, resource) {
        const alg = resource.replace(`${audience}/`, '');
        if (!algorithms.includes(alg)) throw new errors.InvalidTarget();
        return { scope: 'orders:read orders:write', audience, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
      },
    },
  },
});

const server = http.createServer(provider.callback());
server.keepAliveTimeout = 75_000; // longer than Envoy keeps an idle connection in use
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
