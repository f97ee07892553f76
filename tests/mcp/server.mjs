// An MCP server without any authorization of its own: what it is asked has passed the gateway.
//
// Environment: PORT. It prints "ready" once it listens.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';

const text = (value) => ({ content: [{ type: 'text', text: value }] });

function mcpServer() {
  const server = new McpServer({ name: 'notes', version: '1.0.0' }, { capabilities: { logging: {} } });
  server.registerTool('read_note', { description: 'Reads the note.' }, () => text('Buy milk.'));
  server.registerTool('write_note', { description: 'Writes the note.' }, () => text('Written.'));
  server.registerTool('whoami', { description: 'Says who asks.' }, ({ requestInfo }) =>
    text(JSON.stringify({
      sub: requestInfo.headers['x-sub'],
      client_id: requestInfo.headers['x-client-id'],
      authorization: requestInfo.headers.authorization,
    })));
  // For the published conformance tests.
  server.registerTool('test_simple_text', { description: 'Says something.' }, () =>
    text('This is a simple text response for testing.'));
  server.registerTool('test_tool_with_logging', { description: 'Says what it does.' }, async (extra) => {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
    }
    return text('Logged.');
  });
  server.registerTool('test_tool_with_progress', { description: 'Says how far it is.' }, async (extra) => {
    const progressToken = extra._meta?.progressToken ?? 0;
    for (const progress of [0, 50, 100]) {
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
    }
    return text('Done.');
  });
  return server;
}

const transports = new Map();

async function transportFor(request, body) {
  const known = transports.get(request.headers['mcp-session-id']);
  if (known || !isInitializeRequest(body)) return known;
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => transports.set(id, transport),
    onsessionclosed: (id) => transports.delete(id),
  });
  await mcpServer().connect(transport);
  return transport;
}

/** Whether the fields by which a gateway knows a call say what its body says. */
function isNamedTruly({ headers }, body) {
  if (body?.method !== 'tools/call') return headers['mcp-method'] !== 'tools/call';
  const encoded = /^=\?base64\?(.*)\?=$/i.exec(headers['mcp-name'] ?? '');
  const name = encoded ? Buffer.from(encoded[1], 'base64').toString() : headers['mcp-name'];
  return headers['mcp-method'] === 'tools/call' && name === body.params?.name;
}

async function handle(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks)) : undefined;
  const transport = await transportFor(request, body);
  if (!transport || !isNamedTruly(request, body)) {
    response.writeHead(400).end();
    return;
  }
  await transport.handleRequest(request, response, body);
}

const server = http.createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  });
});
server.keepAliveTimeout = 75_000; // longer than Envoy keeps an idle connection in use
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('ready'));
