// The API that the demo guards. It does not know about tokens: whoever gets through is served.
// Every answer repeats, under "received", what arrived here of the request's identity.
//
//   GET  /health           no data at all
//   GET  /employees        everybody
//   GET  /employees/{id}   one of them
//   POST /employees        one more; it is not kept
//   GET  /changes          server-sent events: a browser's EventSource cannot set a header
//
// Environment: PORT, HOST (127.0.0.1). It prints "ready" once it listens.
import http from 'node:http';

const port = Number(process.env.PORT ?? 8080);
const host = process.env.HOST ?? '127.0.0.1';

const EMPLOYEES = [
  { id: 1, name: 'Ada Lovelace', team: 'analytical engine' },
  { id: 2, name: 'Grace Hopper', team: 'compilers' },
  { id: 3, name: 'Radia Perlman', team: 'networks' },
];

// What a service behind a gateway would trust, and what it should never see.
const SHOWN = ['x-client-id', 'x-scope', 'authorization'];

function received(request) {
  const shown = SHOWN.filter((name) => name in request.headers).map((name) => [name, request.headers[name]]);
  return { path: request.url, ...Object.fromEntries(shown) };
}

function route(method, path) {
  const id = /^\/employees\/(\d+)$/.exec(path)?.[1];
  const employee = EMPLOYEES.find((one) => one.id === Number(id));
  if (method === 'GET' && path === '/health') return [200, { status: 'up' }];
  if (method === 'GET' && path === '/employees') return [200, { employees: EMPLOYEES }];
  if (method === 'GET' && employee) return [200, { employee }];
  if (method === 'POST' && path === '/employees') return [201, { created: true }];
  return [404, { message: 'There is nothing here.' }];
}

const server = http.createServer((request, response) => {
  request.resume(); // a body is read to its end and thrown away
  const path = request.url.split('?')[0];
  if (request.method === 'GET' && path === '/changes') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`event: change\ndata: ${JSON.stringify({ received: received(request) })}\n\n`);
    return;
  }
  const [status, body] = route(request.method, path);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ ...body, received: received(request) })}\n`);
});
server.keepAliveTimeout = 75_000; // longer than Envoy keeps an idle connection in use
server.listen(port, host, () => console.log('ready'));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
