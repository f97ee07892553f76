// A client's key, and its proofs that it has it (DPoP, RFC 9449), for the demo.
//
//   node proof.mjs new                            prints a new key, as a private JWK
//   node proof.mjs METHOD URL [TOKEN] < key       prints a proof for one request
import { createHash, createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [method, url, token] = process.argv.slice(2);
if (method === 'new') {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  console.log(JSON.stringify(privateKey.export({ format: 'jwk' })));
} else {
  const { d, ...jwk } = JSON.parse(readFileSync(0, 'utf8'));
  const key = createPrivateKey({ key: { ...jwk, d }, format: 'jwk' });
  const claims = { jti: randomUUID(), htm: method, htu: url.split('?')[0], iat: Math.floor(Date.now() / 1000) };
  if (token) claims.ath = createHash('sha256').update(token).digest('base64url');
  const parts = [{ typ: 'dpop+jwt', alg: 'ES256', jwk }, claims];
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  console.log(`${input}.${signature.toString('base64url')}`);
}
