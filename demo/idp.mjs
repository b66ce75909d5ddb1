// An identity provider for the demo and the tests: oidc-provider in a process of its own, so that the gateway finds
// issuer, keys and tokens the way it finds those of any other provider.
//
// DEMO ONLY. It listens on loopback, keeps everything in memory, asks nobody for a password, and hands an ID token of
// any of its users to whoever asks at /demo/token?user=ann@example.com.

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

export const DEMO_USERS = [
  { sub: 'u-1001', email: 'ann@example.com', email_verified: true, name: 'Ann', groups: ['dev'] },
  { sub: 'u-1002', email: 'dan@example.com', email_verified: true, name: 'Dan', groups: ['dba'] },
];

export const DEMO_CLIENTS = [
  {
    client_id: 'sallyport',
    client_secret: 'sallyport-demo',
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
    response_types: ['code'],
    application_type: 'native',
  },
  // Somebody else's client: a token for it opens nothing at the gateway.
  {
    client_id: 'wiki',
    client_secret: 'wiki-demo',
    redirect_uris: ['http://127.0.0.1/wiki'],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    application_type: 'native',
  },
];

/** A private key set with one RS256 key. */
export async function newKeys(kid) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true, modulusLength: 2048 });
  return { keys: [{ ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' }] };
}

/** Listens on loopback; port 0 takes a free one. */
export async function startIdp({ port = 0, keys, users = DEMO_USERS, clients = DEMO_CLIENTS }) {
  let answer = (_request, response) => response.writeHead(503).end();
  const server = createServer((request, response) => answer(request, response));
  const listen = (at) =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(at, '127.0.0.1', () => resolve(server.address().port));
    });
  const bound = await listen(port);
  const issuer = `http://127.0.0.1:${bound}`;
  const useKeys = (jwks) => {
    answer = application(issuer, jwks, users, clients);
  };
  useKeys(keys);
  return {
    issuer,
    port: bound,
    useKeys,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    resume: () => listen(bound),
  };
}

function application(issuer, jwks, users, clients) {
  const provider = new Provider(issuer, {
    jwks,
    clients,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    // Without this the claims would be only at the userinfo endpoint.
    conformIdTokenClaims: false,
    cookies: { keys: ['demo only'] },
    features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
    pkce: { required: () => false },
    ttl: { IdToken: 3600, AccessToken: 3600, AuthorizationCode: 60, DeviceCode: 600, Grant: 3600, Interaction: 600, Session: 3600 },
    findAccount: (_context, id) => {
      // What is typed into the login page becomes the account's id, so there it is the subject: u-1001.
      const user = users.find(({ sub }) => sub === id);
      return user && { accountId: id, claims: () => user };
    },
  });
  const protocol = provider.callback();
  return (request, response) => {
    const url = new URL(request.url, issuer);
    if (url.pathname !== '/demo/token') return protocol(request, response);
    issue(provider, users, url.searchParams).then(
      (token) => (token === null ? response.writeHead(404).end('no such user or client\n') : response.end(token)),
      (error) => response.writeHead(500).end(`${error.message}\n`),
    );
  };
}

/** An ID token as the token endpoint would give it, without the login before it. */
async function issue(provider, users, parameters) {
  const user = users.find(({ email }) => email === parameters.get('user'));
  const client = await provider.Client.find(parameters.get('client') ?? 'sallyport');
  if (user === undefined || client === undefined) return null;
  const token = new provider.IdToken(user, { client });
  token.scope = 'openid email profile groups';
  return token.issue({ use: 'idtoken' });
}

if (process.argv[1] !== undefined && import.meta.filename === process.argv[1]) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });
  const idp = await startIdp({ port: Number(values.port), keys: await newKeys('demo-1') });
  process.stdout.write(`${JSON.stringify({ issuer: idp.issuer, client_id: 'sallyport' })}\n`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => idp.stop().then(() => process.exit(0)));
}
