// An MCP server of the revision 2026-07-28, and of no older one: it refuses calls whose header fields do not say what
// their body says. It has no authorization of its own.
//
// Environment: PORT. It prints "ready" once it listens.
import http from 'node:http';
import { Readable } from 'node:stream';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';

const text = (value) => ({ content: [{ type: 'text', text: value }] });

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'notes', version: '2.0.0' });
  server.registerTool('read_note', { description: 'Reads the note.' }, () => text('Buy milk.'));
  server.registerTool('write_note', { description: 'Writes the note.' }, () => text('Written.'));
  return server;
}, { legacy: 'reject' });

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { method, headers } = request;
  const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
  const answer = await handler.fetch(new Request(`http://${headers.host}${request.url}`, { method, headers, body }));
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (answer.body) Readable.fromWeb(answer.body).pipe(response);
  else response.end();
});
server.keepAliveTimeout = 75_000; // longer than Envoy keeps an idle connection in use
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('ready'));
