import { createHash } from 'node:crypto';
import type { EpochMs } from '../core/ids.ts';
import { delegationChain, type Principal } from '../core/principal.ts';
import { checkClaims, SKEW_MS, shown } from './claims.ts';
import { OWN_PROVIDER } from './config.ts';
import { loadedDelegation } from './delegation.ts';
import { looksLikeJwt, parseToken, type UnverifiedToken } from './jws.ts';
import type { Clock, IdentityPorts, StoredToken } from './ports.ts';
import {
  ANYBODY,
  accountPrincipal,
  agentPrincipal,
  humanPrincipal,
  type Named,
  workloadPrincipal,
} from './principals.ts';
import { type Evidence, isRevoked } from './revocations.ts';
import type { Account, Provider, Settings } from './settings.ts';
import type { Credential, Where } from './stage.ts';
import { sameDigest, tokenDigest, tokenId } from './tokens.ts';

export type Proven = Proof | Refused;

interface Proof {
  readonly outcome: 'proven';
  readonly evidence: Evidence;
  readonly by: string;
}

interface Refused {
  readonly outcome: 'refused';
  readonly why: string;
}

/** Everything that decides whether a credential is good, and whose it is. Throws only what the store throws. */
export async function prove(
  credential: Credential,
  where: Where,
  settings: Settings,
  ports: Pick<IdentityPorts, 'store' | 'keys'>,
  clock: Clock,
): Promise<Proven> {
  const proven = await proveUnrevoked(credential, where, settings, ports, clock);
  if (proven.outcome === 'refused') return proven;
  for (const { id } of delegationChain(proven.evidence.principal)) {
    const revokedAt = await ports.store.principalRevokedAt(id);
    if (revokedAt !== null && isRevoked(proven.evidence, revokedAt))
      return refused(`${id} was revoked at ${revokedAt}`);
  }
  return proven;
}

async function proveUnrevoked(
  credential: Credential,
  where: Where,
  settings: Settings,
  ports: Pick<IdentityPorts, 'store' | 'keys'>,
  clock: Clock,
): Promise<Proven> {
  if (credential.kind === 'scram') {
    if (credential.verifier === null) return refused('the SCRAM proof fits no live token');
    const token = await ports.store.token(credential.verifier);
    if (token === null || token.account !== credential.user)
      return refused('the SCRAM verifier is not of this account');
    return proveToken(token, settings, clock.now());
  }
  const secret = credential.kind === 'bearer' ? credential.token : credential.secret;
  const user = credential.kind === 'bearer' || where.anyUser === true ? ANYBODY : credential.user;
  const id = tokenId(secret);
  if (id !== null) {
    const token = await ports.store.token(id);
    const digest = tokenDigest(secret);
    if (token === null || !sameDigest(digest, token.digest)) return refused(`token ${id} is unknown`);
    if (![ANYBODY, token.account, `${OWN_PROVIDER}/${token.account}`].includes(user)) {
      return refused(`token ${id} is of ${token.account}, the user name is ${shown(user)}`);
    }
    return proveToken(token, settings, clock.now());
  }
  if (!looksLikeJwt(secret)) return refused('the secret is neither a gateway token nor a JWT');
  return proveJwt(secret, user, settings, ports, clock);
}

function proveToken(token: StoredToken, settings: Settings, now: EpochMs): Proven {
  if (token.revokedAt !== null) return refused(`token ${token.id} was revoked at ${token.revokedAt}`);
  if (now >= token.expiresAt) return refused(`token ${token.id} expired at ${token.expiresAt}`);
  const account = settings.accounts.get(token.account);
  if (account === undefined) return refused(`token ${token.id} is of ${token.account}, which is not configured`);
  const principal = tokenPrincipal(token, account, settings);
  if (principal === null) return refused(`token ${token.id} does not say for whom ${token.account} acts`);
  const evidence = {
    principal,
    token: token.id,
    provedAt: token.createdAt,
    foreignClock: false,
    endsAt: token.expiresAt,
  };
  return { outcome: 'proven', evidence, by: `token:${token.id}` };
}

function tokenPrincipal(token: StoredToken, account: Account, settings: Settings): Principal | null {
  if (account.kind === 'service') {
    return token.onBehalfOf === null ? accountPrincipal(account.line, settings.people) : null;
  }
  const onBehalfOf = token.onBehalfOf === null ? null : loadedDelegation(token.onBehalfOf, settings);
  return onBehalfOf === null ? null : agentPrincipal(account.line, onBehalfOf);
}

async function proveJwt(
  secret: string,
  user: string,
  settings: Settings,
  ports: Pick<IdentityPorts, 'store' | 'keys'>,
  clock: Clock,
): Promise<Proven> {
  const parsed = parseToken(secret, settings.limits.identity_token_bytes_max);
  if (parsed.outcome === 'refused') return parsed;
  const { token } = parsed;
  const issuer = token.claims.iss;
  const issued = settings.providers.filter(({ line }) => line.issuer === issuer);
  if (typeof issuer !== 'string' || issued.length === 0) return refused(`no provider has the issuer ${shown(issuer)}`);
  const candidates = issued.filter(({ algorithms }) => algorithms.includes(token.algorithm));
  if (candidates.length === 0) return refused(`alg ${shown(token.algorithm)} is not accepted from ${issuer}`);
  const signature = await ports.keys.verify(issuer, secret, [token.algorithm]);
  if (signature.outcome !== 'verified')
    return refused(`${signature.outcome === 'unavailable' ? 'keys unavailable: ' : ''}${signature.why}`);

  const whys: string[] = [];
  for (const provider of candidates) {
    const claimed = proveClaims(token, provider, user, settings, clock.now());
    if (claimed.outcome === 'refused') {
      whys.push(`${provider.line.name}: ${claimed.why}`);
      continue;
    }
    if (provider.line.once !== true || (await spendOnce(token, claimed.tokenEndsAt, ports, clock.now())))
      return claimed;
    whys.push(`${provider.line.name}: the token was used before`);
  }
  return refused(whys.join('; '));
}

function proveClaims(
  token: UnverifiedToken,
  provider: Provider,
  user: string,
  settings: Settings,
  now: EpochMs,
): (Proof & { readonly tokenEndsAt: EpochMs }) | Refused {
  const { line, audience, tokenAge_ms, session_ms } = provider;
  const audienceRule = line.type === 'oidc' ? 'client' : 'alone';
  const checked = checkClaims(token.claims, { issuer: line.issuer, audience, audienceRule, tokenAge_ms }, now);
  if (checked.outcome === 'refused') return checked;
  const { subject, issuedAt, expiresAt } = checked.registered;
  const named: Named =
    line.type === 'oidc'
      ? humanPrincipal(line, subject, token.claims, settings.people, settings.limits.groups_per_principal_max)
      : workloadPrincipal(line, subject, token.claims, settings.people);
  if (named.outcome === 'refused') return named;
  const { principal, aliases } = named;
  if (![ANYBODY, principal.id, principal.name, ...aliases].includes(user)) {
    return refused(`the token is of ${principal.id}, the user name is ${shown(user)}`);
  }
  const evidence = { principal, token: null, provedAt: issuedAt, foreignClock: true, endsAt: now + session_ms };
  return { outcome: 'proven', evidence, by: `${line.type}:${line.name}`, tokenEndsAt: expiresAt };
}

/** A token is known by its id, or else by what is signed: some signatures can be written in a second way. */
async function spendOnce(
  token: UnverifiedToken,
  tokenEndsAt: EpochMs,
  ports: Pick<IdentityPorts, 'store'>,
  now: EpochMs,
): Promise<boolean> {
  const { iss, jti } = token.claims;
  const identity = typeof jti === 'string' ? JSON.stringify([iss, jti]) : token.signingInput;
  const digest = createHash('sha256').update(identity, 'utf8').digest();
  return ports.store.spend(digest, tokenEndsAt + SKEW_MS, now);
}

function refused(why: string): Refused {
  return { outcome: 'refused', why };
}
