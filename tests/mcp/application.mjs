// What stands around an MCP client: the application that keeps its tokens, and the user's browser.
import assert from 'node:assert/strict';

export const REDIRECT = 'http://127.0.0.1:9/callback';

/** What an application keeps for a user, and where it would open the browser. */
export class Application {
  redirectUrl = REDIRECT;
  clientMetadata = {
    client_name: 'Tollgate test client',
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'native',
  };

  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return this.saved; }
  saveTokens(tokens) { this.saved = tokens; }
  codeVerifier() { return this.verifier; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  discoveryState() { return this.discovered; }
  saveDiscoveryState(state) { this.discovered = state; }
  redirectToAuthorization(url) { this.sentTo = url; }
}

/** A browser: follows redirects with cookies until the application's own address, and returns what it brings back. */
export async function browse(url) {
  const cookies = new Map();
  for (let hops = 0; hops < 20; hops += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split('=');
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    assert.ok(location, `${response.status} at ${url}: ${await response.text()}`);
    url = new URL(location, url);
    if (url.href.startsWith(REDIRECT)) {
      assert.ok(url.searchParams.get('code'), `no code: ${url}`);
      return url.searchParams;
    }
  }
  throw new Error('the browser goes in circles');
}
