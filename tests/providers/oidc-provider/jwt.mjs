// oidc-provider whose access tokens are JWTs (RFC 9068), by resource indicators (RFC 8707), all in memory.
//
// The resource https://api.example.com/ALG gets tokens signed by that algorithm, for the audience
// https://api.example.com; without a resource tokens are opaque. The keys are new with each start.
//
// The client "holder" gets tokens that are bound to the certificate it shows on the second, TLS port.
//
// Environment: PORT, ISSUER; for the second port TLS_PORT, TLS_CERTIFICATE and TLS_KEY (PEM). It prints "ready" once it
// listens.
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { errors, Provider } from 'oidc-provider';

const { PORT: port, ISSUER: issuer, TLS_PORT: tlsPort, TLS_CERTIFICATE: cert, TLS_KEY: key } = process.env;

const pair = (kid, ...how) => ({ kid, use: 'sig', ...generateKeyPairSync(...how).privateKey.export({ format: 'jwk' }) });
const audience = 'https://api.example.com';
const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];

const provider = new Provider(issuer, {
  clients: [
    { client_id: 'app', client_secret: 'app-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
    {
      client_id: 'holder',
      client_secret: 'holder-secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      tls_client_certificate_bound_access_tokens: true,
    },
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
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
    },
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
const ready = () => server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
if (tlsPort) {
  const options = { cert, key, requestCert: true, rejectUnauthorized: false };
  https.createServer(options, provider.callback()).listen(Number(tlsPort), '127.0.0.1', ready);
} else {
  ready();
}
