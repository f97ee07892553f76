// oidc-provider with dynamic client registration and management, all in memory.
//
// Environment: PORT, ISSUER, INITIAL_ACCESS_TOKEN. It prints "ready" once it listens.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const { PORT: port, ISSUER: issuer, INITIAL_ACCESS_TOKEN: initialAccessToken } = process.env;

const provider = new Provider(issuer, {
  scopes: ['openid', 'orders:read', 'orders:write'],
  features: {
    clientCredentials: { enabled: true },
    // Whoever has registered may ask about any token, and revoke its own.
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    registration: { enabled: true, initialAccessToken },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
    resourceIndicators: { enabled: false },
    devInteractions: { enabled: false },
  },
});

const server = http.createServer(provider.callback());
server.keepAliveTimeout = 75_000; // longer than Envoy keeps an idle connection in use
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
