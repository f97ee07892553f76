// The MCP client of the revision 2026-07-28: no sessions, every request for itself, each named in its header.
//
// Environment: MCP_URL. Each line that it prints is something that held; it fails with the first that did not.
import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { Application, browse } from './application.mjs';

// Whatever hangs, this ends.
setTimeout(() => { throw new Error('still not done after two minutes'); }, 120_000).unref();

const { MCP_URL: mcpUrl } = process.env;
const held = (what) => console.log(`held: ${what}`);
const application = new Application();
let transport;

async function connect() {
  const client = new Client(
    { name: 'tollgate-test', version: '2.0.0' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  transport = new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: application });
  await client.connect(transport);
  return client;
}

async function logIn() {
  await transport.finishAuth(await browse(application.sentTo));
}

const isUnauthorized = (error) => {
  for (let cause = error; cause; cause = cause.cause) {
    if (cause instanceof UnauthorizedError) return true;
  }
  return false;
};

// What the client was sent to the authorization server for. `offline_access`, which that server offers, is the
// client's own addition (MCP-10).
const asked = () => application.sentTo.searchParams.get('scope').split(' ').filter((scope) => scope !== 'offline_access').sort();

// MCP-02, MCP-03
await assert.rejects(connect(), isUnauthorized);
assert.deepEqual(asked(), ['notes:read']);
assert.equal(application.sentTo.searchParams.get('resource'), mcpUrl);
held('the client finds the authorization server, registers, and asks for that scope and this resource');
await logIn();
let client = await connect();
const call = async (name) => (await client.callTool({ name })).content[0].text;
assert.equal(await call('read_note'), 'Buy milk.');
held('it calls a tool');

// MCP-04
await assert.rejects(call('write_note'), isUnauthorized);
assert.deepEqual(asked(), ['notes:read', 'notes:write']);
held('for a tool that needs more it asks for all scopes of the operation');

// No way around the rules for tools, with the smaller token: a name may come encoded, be missing, or be a lie.
const message = {
  jsonrpc: '2.0',
  id: 98,
  method: 'tools/call',
  params: {
    name: 'write_note',
    arguments: {},
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'thief', version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
};
async function send(fields) {
  const headers = {
    accept: 'application/json, text/event-stream',
    authorization: `Bearer ${application.saved.access_token}`,
    'content-type': 'application/json',
    'mcp-protocol-version': '2026-07-28',
    ...fields,
  };
  const response = await fetch(mcpUrl, { method: 'POST', headers, body: JSON.stringify(message), signal: AbortSignal.timeout(10_000) });
  return { status: response.status, text: await response.text() };
}
const named = { 'mcp-method': 'tools/call' };
const encoded = `=?base64?${Buffer.from('write_note').toString('base64')}?=`;
for (const [fields, status] of [
  [{ ...named, 'mcp-name': 'write_note' }, 403],
  [{ ...named, 'mcp-name': encoded }, 403],
  [named, 403],
  [{ ...named, 'mcp-name': 'read_note' }, 400],
  [{ 'mcp-method': 'tools/list' }, 400],
  [{}, 400],
]) {
  const { status: got, text } = await send(fields);
  assert.equal(got, status, `${JSON.stringify(fields)}: ${text}`);
  assert.ok(!text.includes('Written'), text);
}
held('there is no way around the rules for tools');

await logIn();
await client.close();
client = await connect();
assert.equal(await call('write_note'), 'Written.');
assert.equal((await send({ ...named, 'mcp-name': encoded })).status, 200);
held('and calls it with them');

await client.close();
console.log('all held');
