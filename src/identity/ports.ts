import type { EpochMs, PrincipalId } from '../core/ids.ts';

/** What this room needs from outside. Everything that waits, remembers or asks somebody is here. */
export interface IdentityPorts {
  readonly store: IdentityStore;
  readonly keys: IssuerKeys;
  readonly timers: Timers;
  /** Worth a line in the log: a store or an issuer that cannot be reached. Never a secret. */
  warn(message: string): void;
}

export interface Clock {
  now(): EpochMs;
}

export type Random = (bytes: number) => Buffer;

export interface Timers {
  delay(duration_ms: number): Promise<void>;
  /** Returns how to stop. Does not keep the process alive. */
  every(period_ms: number, callback: () => void): () => void;
}

/** Tokens, accounts' salts, revocations. Failures are GatewayErrors STORE_UNAVAILABLE. */
export interface IdentityStore {
  /** The secret of that name; the first caller's proposal is kept for ever. */
  secret(name: string, proposal: Buffer): Promise<Buffer>;
  /** What SCRAM needs before it has seen a proof: the account's parameters, and the tokens that could be meant. */
  scramAccount(name: string, at: EpochMs): Promise<ScramAccount | null>;
  /** The account's parameters; the first caller's proposal is kept. */
  ensureAccount(name: string, proposal: ScramParameters): Promise<ScramParameters>;
  /** `false`: the account has as many live tokens as it may have. */
  addToken(token: StoredToken, live_max: number): Promise<boolean>;
  token(id: string): Promise<StoredToken | null>;
  /** Newest first. */
  tokens(account: string | null): Promise<readonly StoredToken[]>;
  touchToken(id: string, at: EpochMs): Promise<void>;
  /** `false`: there is no such token, or it was revoked before. */
  revokeToken(id: string, at: EpochMs, by: string): Promise<boolean>;
  revokePrincipal(principal: PrincipalId, at: EpochMs, by: string): Promise<void>;
  /** When the principal was last revoked. */
  principalRevokedAt(principal: PrincipalId): Promise<EpochMs | null>;
  /** What was revoked after the given place in the order of revocations, oldest first. */
  revocationsAfter(sequence: number): Promise<readonly Revocation[]>;
  /** Notes a token that is good once. `false`: it was noted before. */
  spend(digest: Buffer, until: EpochMs, now: EpochMs): Promise<boolean>;
}

export interface ScramParameters {
  readonly salt: Buffer;
  readonly iterations: number;
}

export interface ScramKeys {
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export interface ScramAccount extends ScramParameters {
  readonly verifiers: readonly (ScramKeys & { readonly id: string })[];
}

/** A gateway token as it is kept: nothing here opens a session. */
export interface StoredToken extends ScramKeys {
  readonly id: string;
  readonly account: string;
  /** SHA-256 of the whole token. */
  readonly digest: Buffer;
  readonly createdAt: EpochMs;
  readonly createdBy: string;
  readonly expiresAt: EpochMs;
  /** To the nearest few minutes; `null`: never. */
  readonly lastUsedAt: EpochMs | null;
  readonly revokedAt: EpochMs | null;
  /** Whom an agent acts for with it: a text that this room writes and reads. */
  readonly onBehalfOf: string | null;
}

export interface Revocation {
  readonly sequence: number;
  readonly scope: 'principal' | 'token';
  /** A principal's or a token's id. */
  readonly subject: string;
  readonly at: EpochMs;
}

/** The keys that issuers publish, and nothing else of a token than its signature. */
export interface IssuerKeys {
  /** Does one of the issuer's own keys, fit for this algorithm, verify the token? Never throws. */
  verify(issuer: string, token: string, algorithms: readonly string[]): Promise<SignatureVerdict>;
}

export type SignatureVerdict =
  | { readonly outcome: 'verified' }
  | { readonly outcome: 'refused'; readonly why: string }
  | { readonly outcome: 'unavailable'; readonly why: string };
