// A real provider, oidc-provider, on a free port of this machine: it prints its issuer. `node provider.mjs NODE_MODULES LIFE`.
// Interactions are finished at once, as if a person had allowed everything; devices are let in at `/approve`.
import http from 'node:http';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, life] = [process.argv[2], Number(process.argv[3] ?? 3600)];
const require = createRequire(`${folder}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

let answer = (_, res) => res.writeHead(503).end();
const server = http.createServer((req, res) => answer(req, res)).listen(0, '127.0.0.1');
await new Promise((done) => server.once('listening', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const person = { token_endpoint_auth_method: 'none', redirect_uris: ['http://127.0.0.1/callback'], application_type: 'native' };
const service = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'] };
const signer = JSON.parse(process.env.KEYWAY_SIGNER ?? 'null');
// Its own store in memory holds a thousand things, and each proof of a bound token is one: it would forget refresh tokens.
const kept = new Map();
class Everything {
  constructor(kind) { this.kind = kind; }
  async upsert(id, payload, life) { kept.set(`${this.kind}:${id}`, { payload, ends: life ? Date.now() + life * 1000 : Infinity }); }
  async find(id) {
    const found = kept.get(`${this.kind}:${id}`);
    return found && Date.now() < found.ends ? found.payload : undefined;
  }
  async first(fits) {
    for (const [key, { payload }] of kept) if (key.startsWith(`${this.kind}:`) && fits(payload)) return payload;
    return undefined;
  }
  async findByUid(uid) { return this.first((payload) => payload.uid === uid); }
  async findByUserCode(code) { return this.first((payload) => payload.userCode === code); }
  async consume(id) { kept.get(`${this.kind}:${id}`).payload.consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { kept.delete(`${this.kind}:${id}`); }
  async revokeByGrantId(id) { for (const [key, { payload }] of kept) if (payload.grantId === id) kept.delete(key); }
}
const provider = new Provider(issuer, {
  adapter: Everything,
  clients: [
    { ...service, client_id: 'basic', client_secret: 'a secret: of + 100 %', token_endpoint_auth_method: 'client_secret_basic' },
    { ...service, client_id: 'post', client_secret: 'another secret', token_endpoint_auth_method: 'client_secret_post' },
    { ...service, client_id: 'sharer', client_secret: 'a shared secret of thirty-two bytes, or some more', token_endpoint_auth_method: 'client_secret_jwt' },
    ...(signer ? [{ ...service, client_id: 'signer', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [signer] } }] : []),
    { ...person, client_id: 'person', grant_types: ['authorization_code', 'refresh_token'] },
    { ...person, client_id: 'device', redirect_uris: [], response_types: [], grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'] },
  ],
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'],
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    // A nonce in every proof, at the token endpoint and at `/me`.
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    revocation: { enabled: true },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/allow/${interaction.uid}` },
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  ttl: { AccessToken: life, ClientCredentials: life, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600, DeviceCode: 600 },
});

const stats = { issued: 0, refused: 0, why: {} };
provider.on('grant.success', () => (stats.issued += 1));
provider.on('grant.error', (_, error) => {
  if (['authorization_pending', 'slow_down', 'use_dpop_nonce'].includes(error.error)) return;
  stats.refused += 1;
  stats.why[error.error_detail ?? error.error_description ?? error.error] = true;
});

const granted = async (accountId, clientId) => {
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope('openid offline_access');
  return grant.save();
};
const callback = provider.callback();
answer = async (req, res) => {
  const url = new URL(req.url, issuer);
  try {
    if (url.pathname.startsWith('/allow/')) {
      const details = await provider.interactionDetails(req, res);
      const grantId = await granted('ann', details.params.client_id);
      return await provider.interactionFinished(req, res, { login: { accountId: 'ann' }, consent: { grantId } });
    }
    if (url.pathname === '/approve') {
      const code = await provider.DeviceCode.findByUserCode(url.searchParams.get('user_code').replace(/[^A-Za-z]/g, '').toUpperCase(), { ignoreExpiration: true });
      Object.assign(code, { accountId: 'ann', grantId: await granted('ann', 'device'), scope: 'openid offline_access', authTime: Math.floor(Date.now() / 1000) });
      await code.save();
      return res.end('let in');
    }
    if (url.pathname === '/stats') return res.end(JSON.stringify(stats));
    return callback(req, res);
  } catch (error) {
    console.error(error);
    res.writeHead(500).end(String(error));
  }
};
console.log(issuer);
