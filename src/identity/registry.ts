import { GatewayError } from '../core/errors.ts';
import type { EpochMs } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import { delegateId, mayDelegate, storedDelegation } from './delegation.ts';
import type { Clock, IdentityStore, Random, StoredToken } from './ports.ts';
import type { Account, Settings } from './settings.ts';
import { newToken, parametersOf, scramKeys, tokenDigest } from './tokens.ts';

export interface TokenRequest {
  /** A service account or an agent of the configuration. */
  readonly account: string;
  readonly ttl_ms: number;
  /** For agents, and only for them: whom they act for with this token. */
  readonly onBehalfOf: Principal | null;
  readonly by: Principal | 'operator';
}

/** What may be shown of a token. */
export interface TokenView {
  readonly id: string;
  readonly account: string;
  readonly state: 'live' | 'expired' | 'revoked';
  readonly createdAt: EpochMs;
  readonly createdBy: string;
  readonly expiresAt: EpochMs;
  readonly lastUsedAt: EpochMs | null;
  readonly revokedAt: EpochMs | null;
  readonly onBehalfOf: string | null;
}

export interface NewToken extends TokenView {
  /** The token itself. It is shown this once and kept nowhere. */
  readonly secret: string;
}

/** Makes and lists gateway tokens. */
export class TokenRegistry {
  readonly #store: IdentityStore;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(store: IdentityStore, clock: Clock, random: Random) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
  }

  async create(request: TokenRequest, settings: Settings, serverSecret: Buffer): Promise<NewToken> {
    const account = settings.accounts.get(request.account);
    if (account === undefined) throw usage(`no service account or agent is called '${request.account}'`);
    const ttl_max = longestLife(account, request.onBehalfOf, settings);
    if (!Number.isSafeInteger(request.ttl_ms) || request.ttl_ms <= 0 || request.ttl_ms > ttl_max) {
      throw usage(`a token of '${request.account}' may live up to ${ttl_max} ms, asked for ${request.ttl_ms} ms`);
    }
    const parameters = await this.#store.ensureAccount(request.account, parametersOf(request.account, serverSecret));
    const { id, secret } = newToken(this.#random);
    const createdAt = this.#clock.now();
    const token: StoredToken = {
      id,
      account: request.account,
      digest: tokenDigest(secret),
      ...(await scramKeys(secret, parameters)),
      createdAt,
      createdBy: idOf(request.by),
      expiresAt: createdAt + request.ttl_ms,
      lastUsedAt: null,
      revokedAt: null,
      onBehalfOf: request.onBehalfOf === null ? null : JSON.stringify(storedDelegation(request.onBehalfOf)),
    };
    const live_max = settings.limits.tokens_per_account_max;
    if (!(await this.#store.addToken(token, live_max))) {
      throw usage(`'${request.account}' has ${live_max} live tokens, the limit; revoke one first`);
    }
    return { ...view(token, createdAt), secret };
  }

  async list(account: string | null): Promise<readonly TokenView[]> {
    const now = this.#clock.now();
    return (await this.#store.tokens(account)).map((token) => view(token, now));
  }
}

export function idOf(by: Principal | 'operator'): string {
  return by === 'operator' ? by : by.id;
}

/** Groups of a person from outside are known as of the login that made the token, so it lives no longer than a session. */
function longestLife(account: Account, onBehalfOf: Principal | null, settings: Settings): number {
  if (account.kind === 'service') {
    if (onBehalfOf !== null) throw usage(`'${account.line.name}' is a service account and acts for nobody but itself`);
    return settings.tokenTtl_ms;
  }
  if (onBehalfOf === null) throw usage(`agent '${account.line.name}' must act on behalf of somebody`);
  if (!mayDelegate(onBehalfOf)) throw usage(`agent '${account.line.name}' cannot act on behalf of ${onBehalfOf.id}`);
  const provider = settings.providers.find(({ line }) => line.name === onBehalfOf.provider);
  return Math.min(settings.tokenTtl_ms, provider?.session_ms ?? settings.tokenTtl_ms);
}

function view(token: StoredToken, now: EpochMs): TokenView {
  const { id, account, createdAt, createdBy, expiresAt, lastUsedAt, revokedAt, onBehalfOf } = token;
  const state = revokedAt !== null ? 'revoked' : now >= expiresAt ? 'expired' : 'live';
  return {
    ...{ id, account, state, createdAt, createdBy, expiresAt, lastUsedAt, revokedAt },
    onBehalfOf: onBehalfOf === null ? null : delegateId(onBehalfOf),
  };
}

function usage(message: string): GatewayError {
  return new GatewayError('USAGE', message);
}
