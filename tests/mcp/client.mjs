// A real MCP client, told nothing but the server's URL, at a server behind the gateway.
//
// Environment: MCP_URL, ISSUER. Each line that it prints is something that held; it fails with the first that did
// not.
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Application, REDIRECT, browse } from './application.mjs';

// Whatever hangs, this ends.
setTimeout(() => { throw new Error('still not done after two minutes'); }, 120_000).unref();

const { MCP_URL: mcpUrl, ISSUER: issuer } = process.env;
const origin = new URL(mcpUrl).origin;
const metadataUrl = `${origin}/.well-known/oauth-protected-resource${new URL(mcpUrl).pathname}`;

const held = (what) => console.log(`held: ${what}`);

/** Adds the fields by which gateways know a call without reading its body, as later clients do by themselves. */
function naming(url, init = {}) {
  const headers = new Headers(init.headers);
  const message = typeof init.body === 'string' ? JSON.parse(init.body) : {};
  if (message.method) headers.set('mcp-method', message.method);
  if (message.params?.name) headers.set('mcp-name', message.params.name);
  return fetch(url, { ...init, headers });
}

const application = new Application();
let transport;

async function connect() {
  const client = new Client({ name: 'tollgate-test', version: '1.0.0' });
  transport = new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: application, fetch: naming });
  await client.connect(transport);
  return client;
}

async function logIn() {
  await transport.finishAuth((await browse(application.sentTo)).get('code'));
}

const raw = (method, url, headers = {}, body = undefined) =>
  fetch(url, { method, headers, body, signal: AbortSignal.timeout(10_000) });
const challengeOf = (response) => response.headers.get('www-authenticate');

// MCP-02, MCP-03, PRM-12: what a client is told that knows nothing.
const stranger = await raw('POST', mcpUrl, { 'content-type': 'application/json' }, '{}');
assert.equal(stranger.status, 401);
assert.equal(challengeOf(stranger), `Bearer realm="tollgate", resource_metadata="${metadataUrl}", scope="notes:read"`);
held('a stranger is told where the metadata is and which scope to ask for, and no error');

const described = await raw('GET', metadataUrl, { host: 'evil.example' });
assert.equal(described.status, 200);
const metadata = await described.json();
assert.deepEqual(metadata, {
  resource: mcpUrl,
  authorization_servers: [issuer],
  bearer_methods_supported: ['header'],
  scopes_supported: ['notes:read', 'notes:write'],
  resource_name: 'Notes',
});
assert.deepEqual(await (await raw('GET', `${origin}/.well-known/oauth-protected-resource`)).json(), metadata);
const head = await raw('HEAD', metadataUrl);
assert.deepEqual([head.status, await head.text()], [200, '']);
assert.equal(head.headers.get('access-control-allow-origin'), '*');
assert.equal((await raw('DELETE', metadataUrl)).status, 405);
held('the metadata is at the path and at the root, for everybody');

// The whole journey: discovery, registration, login, token.
await assert.rejects(connect(), UnauthorizedError);
assert.equal(application.sentTo.searchParams.get('scope'), 'notes:read');
assert.equal(application.sentTo.searchParams.get('resource'), mcpUrl);
assert.ok(application.client.client_id);
held('the client finds the authorization server, registers, and asks for that scope and this resource');

await logIn();
let client = await connect();
held('it connects with the token that it got');

const { tools } = await client.listTools();
assert.ok(tools.some((tool) => tool.name === 'read_note'));
const call = async (name) => (await client.callTool({ name })).content[0].text;
assert.equal(await call('read_note'), 'Buy milk.');
held('it calls a tool');

// MCP-07
const seen = JSON.parse(await call('whoami'));
assert.deepEqual(seen, { sub: 'ada', client_id: application.client.client_id });
held('the server learns who asks, and never sees the token');

// MCP-09: the session is no credential.
const session = { 'mcp-session-id': transport.sessionId, 'content-type': 'application/json' };
const accept = { accept: 'application/json, text/event-stream' };
const ping = JSON.stringify({ jsonrpc: '2.0', id: 99, method: 'ping' });
const bearer = { authorization: `Bearer ${application.saved.access_token}` };
assert.equal((await raw('POST', mcpUrl, { ...session, ...accept, ...bearer }, ping)).status, 200);
for (const [method, body] of [['POST', ping], ['GET'], ['DELETE']]) {
  const response = await raw(method, mcpUrl, { ...session, ...accept }, body);
  assert.equal(response.status, 401, method);
}
held('within the session every request needs the token');

// MCP-05
const inQuery = await raw('POST', `${mcpUrl}?access_token=${application.saved.access_token}`, { ...session, ...accept }, ping);
assert.equal(inQuery.status, 401);
held('a token in the query is none');

// No way around the rules for tools: a name may come encoded, be missing, or be a lie.
const write = JSON.stringify({ jsonrpc: '2.0', id: 98, method: 'tools/call', params: { name: 'write_note' } });
const inSession = { ...session, ...accept, ...bearer };
for (const [fields, status] of [
  [{ 'mcp-method': 'tools/call', 'mcp-name': '=?base64?d3JpdGVfbm90ZQ==?=' }, 403],
  [{ 'mcp-method': 'tools/call' }, 403],
  [{ 'mcp-method': 'tools/call', 'mcp-name': 'read_note' }, 400],
  [{}, 400],
]) {
  assert.equal((await raw('POST', mcpUrl, { ...inSession, ...fields }, write)).status, status, JSON.stringify(fields));
}
held('there is no way around the rules for tools');

// MCP-04: the scope is too small for this tool; the client asks for more.
await assert.rejects(call('write_note'), UnauthorizedError);
assert.deepEqual(application.sentTo.searchParams.get('scope').split(' ').sort(), ['notes:read', 'notes:write']);
held('for a tool that needs more the client is told all scopes of the operation');
await logIn();
await client.close();
client = await connect();
assert.equal(await call('write_note'), 'Written.');
held('and calls it with them');

// MCP-06, RSI-02: a token of the same user, client and server for another resource.
const elsewhere = new Application();
Object.assign(elsewhere, { client: application.client });
const authorize = new URL(application.sentTo);
authorize.searchParams.set('resource', 'https://other.example.com/mcp');
const code = (await browse(authorize)).get('code');
const answer = await (await fetch(`${issuer}/token`, {
  method: 'POST',
  body: new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: REDIRECT,
    client_id: application.client.client_id,
    code_verifier: application.verifier,
    resource: 'https://other.example.com/mcp',
  }),
})).json();
assert.ok(answer.access_token, JSON.stringify(answer));
const refused = await raw('POST', mcpUrl, { ...accept, 'content-type': 'application/json', authorization: `Bearer ${answer.access_token}` }, ping);
assert.equal(refused.status, 401);
assert.match(challengeOf(refused), /error="invalid_token"/);
assert.ok(!challengeOf(refused).includes('other.example.com'));
held('a token for another resource is refused');

await transport.terminateSession();
await client.close();
console.log('all held');
