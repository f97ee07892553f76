// Browser login as `tollgate generate` sets it up: headless Chromium, Envoy's oauth2 filter, Tollgate behind it, and
// oidc-provider. `make test-browser` runs it, with Chromium (CHROMIUM names another one).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const envoy = process.env.ENVOY ?? path.join(root, 'target/tools/envoy');
const tollgate = process.env.TOLLGATE ?? path.join(root, 'target/debug/tollgate');
const wasm = process.env.TOLLGATE_WASM ?? path.join(root, 'target/wasm32-wasip1/release/tollgate_filter.wasm');
const chromium = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((file) => fs.existsSync(file));
if (!chromium) fail('Chromium is missing: install it (Debian: chromium), or name one: CHROMIUM=/path/to/chromium.');

const near = createRequire(path.join(root, 'envoy/demo/authorization-server/package.json'));
const { Provider } = await import(pathToFileURL(near.resolve('oidc-provider')));
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tollgate-browser-'));
const children = [];
const servers = [];
async function test() {
  const [front, admin] = [await freePort(), await freePort()];
  let cookies;
  const api = await listening((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.setHeader('set-cookie', 'theme=dark; Path=/');
    cookies = request.headers.cookie ?? '';
    response.end(`<p id="seen">${request.headers['x-subject']} has a ${request.headers.authorization?.split(' ')[0]} token</p>`);
  });
  // The authorization server, with a page to log in.
  let provider;
  const issuer = await listening((request, response) => provider.callback()(request, response));
  const web = { client_id: 'web', client_secret: 'web-secret', redirect_uris: [`http://localhost:${front}/oauth2/callback`] };
  provider = new Provider(issuer, {
    clients: [
      { ...web, grant_types: ['authorization_code'], scope: 'orders:read' },
      { client_id: 'gateway', client_secret: 'gateway-secret', grant_types: [], redirect_uris: [], response_types: [] },
    ],
    scopes: ['orders:read'],
    pkce: { required: () => true },
    features: {
      introspection: { enabled: true, allowedPolicy: (_context, client) => client.clientId === 'gateway' },
      resourceIndicators: { enabled: false },
      devInteractions: { enabled: true },
    },
  });

  write('gateway-secret', 'gateway-secret\n');
  write('web-secret', 'web-secret\n');
  write('gateway.yaml', `
listen: 127.0.0.1:${front}
admin: 127.0.0.1:${admin}
providers:
  main: {issuer: "${issuer}", client_id: gateway, client_secret_file: gateway-secret}
apis:
  shop: {upstream: "${api}", scopes: [orders:read]}
login: {client_id: web, client_secret_file: web-secret}
policy: {upstream: {claim_to_headers: [{header_name: x-subject, claim_name: sub}]}}
`);
  await command(tollgate, 'generate', 'envoy', 'gateway.yaml', '--out', '.', '--module', wasm, '--allow-http');
  start(envoy, ['-c', path.join(directory, 'envoy.yaml'), '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'error']);
  await until('Envoy is ready', async () => (await fetch(`http://127.0.0.1:${admin}/ready`)).status === 200);

  // A program without a token is sent away; so is one whose token is garbage, but not to a page.
  const sent = await fetch(`http://localhost:${front}/orders`, { redirect: 'manual' });
  assert.equal(sent.status, 302);
  const location = new URL(sent.headers.get('location'));
  assert.equal(location.searchParams.get('code_challenge_method'), 'S256');
  const garbage = await fetch(`http://localhost:${front}/orders`, { redirect: 'manual', headers: { authorization: 'Bearer garbage' } });
  assert.equal(garbage.status, 401);

  // A person is led to the page, logs in, agrees, and arrives.
  const browser = await Browser.start();
  await browser.open(`http://localhost:${front}/orders/7?x=1`);
  await browser.until('the page to log in', `!!document.querySelector('input[name=login]')`);
  assert.ok((await browser.evaluate('location.href')).startsWith(issuer));
  await browser.evaluate(`document.querySelector('input[name=login]').value = 'alice';
    document.querySelector('input[name=password]').value = 'alice';
    document.querySelector('button[type=submit]').click()`);
  await browser.until('the page to agree', `!document.querySelector('input[name=login]') && !!document.querySelector('button[type=submit]')`);
  await browser.evaluate(`document.querySelector('button[type=submit]').click()`);
  await browser.until('the API', `!!document.querySelector('#seen')`);
  assert.equal(await browser.evaluate(`document.querySelector('#seen').textContent`), 'alice has a Bearer token');
  assert.equal(await browser.evaluate('location.pathname + location.search'), '/orders/7?x=1');

  // The session lasts. Neither a script of the page nor the API can read it; the API gets its own cookie.
  await browser.open(`http://localhost:${front}/orders/8`);
  await browser.until('the API again', `location.pathname === '/orders/8' && !!document.querySelector('#seen')`);
  assert.equal(await browser.evaluate('document.cookie'), 'theme=dark');
  assert.equal(cookies, 'theme=dark');

  // Whoever signs out has no session left. The authorization server's own session brings the user back, with another token.
  await browser.open(`http://localhost:${front}/oauth2/signout`);
  await browser.until('the API after signing out', `location.pathname === '/' && !!document.querySelector('#seen')`);
  console.log('ok: a browser logs in with PKCE, and its token is judged by Tollgate');
}

/** A page of a headless Chromium, by the DevTools protocol. */
class Browser {
  static async start() {
    const args = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-pipe', `--user-data-dir=${directory}/profile`, 'about:blank'];
    const child = start(chromium, args, ['pipe', 'pipe']);
    const browser = new Browser();
    browser.to = child.stdio[3];
    browser.waiting = new Map();
    browser.count = 0;
    // Messages end with a null byte.
    let text = '';
    child.stdio[4].setEncoding('utf8').on('data', (chunk) => {
      const messages = (text + chunk).split('\0');
      text = messages.pop();
      for (const message of messages) browser.heard(JSON.parse(message));
    });
    const { targetId } = await browser.call('Target.createTarget', { url: 'about:blank' });
    browser.sessionId = (await browser.call('Target.attachToTarget', { targetId, flatten: true })).sessionId;
    return browser;
  }

  heard({ id, result, error }) {
    const [resolve, reject] = this.waiting.get(id) ?? [];
    this.waiting.delete(id);
    error ? reject?.(new Error(error.message)) : resolve?.(result);
  }

  call(method, params = {}) {
    const id = ++this.count;
    this.to.write(`${JSON.stringify({ id, method, params, sessionId: this.sessionId })}\0`);
    return new Promise((resolve, reject) => this.waiting.set(id, [resolve, reject]));
  }

  open(url) {
    return this.call('Page.navigate', { url });
  }

  async evaluate(expression) {
    return (await this.call('Runtime.evaluate', { expression, returnByValue: true })).result.value;
  }

  until(what, expression) {
    return until(what, () => this.evaluate(expression), () => this.evaluate('location.href + " " + document.body?.innerText'));
  }
}

async function until(what, holds, state = () => '') {
  const end = Date.now() + 30_000;
  while (!(await Promise.resolve().then(holds).catch(() => false))) {
    if (Date.now() > end) throw new Error(`${what} does not come; instead: ${await state()}`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const end = new Promise((exit) => child.on('exit', exit));
  const impatience = setTimeout(() => child.kill('SIGKILL'), 10_000);
  child.kill('SIGTERM');
  await end;
  clearTimeout(impatience);
}

async function listening(handler) {
  const server = http.createServer(handler);
  servers.push(server);
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return `http://127.0.0.1:${server.address().port}`;
}

async function freePort() {
  const server = http.createServer();
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

function start(program, args, more = []) {
  const child = spawn(program, args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe', ...more] });
  child.stderr.on('data', (chunk) => process.env.VERBOSE && process.stderr.write(chunk));
  children.push(child);
  return child;
}

async function command(program, ...args) {
  const child = spawn(program, args, { cwd: directory, env: { ...process.env, TOLLGATE_STORE: path.join(directory, 'store') }, stdio: 'inherit' });
  const code = await new Promise((ended) => child.on('exit', ended));
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} has ended with ${code}`);
}

function write(name, text) {
  fs.writeFileSync(path.join(directory, name), text);
}

function fail(why) {
  console.error(why);
  process.exit(2);
}

let status = 1;
try {
  await test();
  status = 0;
} catch (error) {
  console.error(error);
} finally {
  for (const child of children) await ended(child);
  for (const server of servers) server.closeAllConnections?.();
  fs.rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
process.exit(status);
