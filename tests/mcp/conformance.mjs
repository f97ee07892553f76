// The published conformance tests for MCP servers, through the gateway. They know no tokens and do not name their
// calls, so a small proxy adds that.
//
// Environment: MCP_URL.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import { promisify } from 'node:util';
import { auth } from '@modelcontextprotocol/sdk/client/auth.js';
import { Application, browse } from './application.mjs';

// Whatever hangs, this ends.
setTimeout(() => { throw new Error('still not done after two minutes'); }, 120_000).unref();

const serverUrl = process.env.MCP_URL;
const SCENARIOS = [
  'server-initialize',
  'ping',
  'tools-list',
  'tools-call-simple-text',
  'tools-call-with-logging',
  'tools-call-with-progress',
  'server-sse-multiple-streams',
];

const application = new Application();
assert.equal(await auth(application, { serverUrl }), 'REDIRECT');
const authorizationCode = (await browse(application.sentTo)).get('code');
assert.equal(await auth(application, { serverUrl, authorizationCode }), 'AUTHORIZED');

const proxy = http.createServer(async (request, response) => {
  const headers = { ...request.headers, authorization: `Bearer ${application.saved.access_token}` };
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const { method, params } = body.length > 0 ? JSON.parse(body) : {};
  if (method) headers['mcp-method'] = method;
  if (params?.name) headers['mcp-name'] = params.name;
  const onward = http.request(serverUrl, { method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
  });
  response.on('close', () => onward.destroy());
  onward.on('error', () => response.destroy());
  onward.end(body);
});
await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));

try {
  for (const scenario of SCENARIOS) {
    const url = `http://127.0.0.1:${proxy.address().port}/mcp`;
    const program = 'node_modules/@modelcontextprotocol/conformance/dist/index.js';
    const ran = promisify(execFile)(process.execPath, [program, 'server', '--url', url, '--scenario', scenario]);
    const { stdout } = await ran.catch(({ stdout, stderr }) => assert.fail(`${scenario}:\n${stdout}\n${stderr}`));
    assert.match(stdout, /passed/i, `${scenario}: ${stdout}`);
    console.log(`passed: ${scenario}`);
  }
} finally {
  proxy.close();
  proxy.closeAllConnections();
}
console.log('all passed');
