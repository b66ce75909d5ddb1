import { compactVerify, createLocalJWKSet, errors } from 'jose';
import type { Clock, IssuerKeys, SignatureVerdict } from '../../identity/ports.ts';
import type { FetchRules } from './fetch.ts';
import { publishedKeys } from './published.ts';

/** How long what an issuer published is believed. */
export interface KeyAges {
  /** After this, it is asked again. */
  readonly fresh_ms: number;
  /** After this, a set that could not be renewed verifies nothing any more. */
  readonly stale_ms_max: number;
  /** An issuer is not asked more often: not by tokens with made-up key ids, nor while it is away. */
  readonly pause_ms: number;
}

export const KEY_AGES: KeyAges = { fresh_ms: 10 * 60_000, stale_ms_max: 12 * 3_600_000, pause_ms: 15_000 };

/** The signing keys of OpenID providers, found by discovery (OpenID Connect Discovery 1.0 §4) and kept for a while. */
export function oidcKeys(clock: Clock, rules: FetchRules, ages: KeyAges = KEY_AGES): IssuerKeys {
  const issuers = new Map<string, Issuer>();
  return {
    async verify(issuer, token, algorithms) {
      let known = issuers.get(issuer);
      // Issuers come from the configuration, so there are as many as it names.
      if (known === undefined) issuers.set(issuer, (known = new Issuer(issuer, clock, rules, ages)));
      return known.verify(token, algorithms);
    },
  };
}

class Issuer {
  readonly #issuer: string;
  readonly #clock: Clock;
  readonly #rules: FetchRules;
  readonly #ages: KeyAges;
  #keys: { readonly find: KeyFinder; readonly fetchedAt: number } | null = null;
  #fetching: Promise<void> | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;
  #failure = 'never asked';

  constructor(issuer: string, clock: Clock, rules: FetchRules, ages: KeyAges) {
    this.#issuer = issuer;
    this.#clock = clock;
    this.#rules = rules;
    this.#ages = ages;
  }

  async verify(token: string, algorithms: readonly string[]): Promise<SignatureVerdict> {
    if (this.#age() >= this.#ages.fresh_ms) await this.#refresh();
    const before = this.#keys;
    const first = await this.#verifyNow(token, algorithms);
    if (first.outcome !== 'refused' || !first.keyUnknown) return first;
    // A key that is not there may be one that the issuer has just begun to use.
    await this.#refresh();
    return this.#keys === before ? first : this.#verifyNow(token, algorithms);
  }

  async #verifyNow(token: string, algorithms: readonly string[]): Promise<Verdict> {
    const keys = this.#keys;
    if (keys === null || this.#age() >= this.#ages.stale_ms_max) {
      return { outcome: 'unavailable', why: `no keys of ${this.#issuer}: ${this.#failure}` };
    }
    try {
      await compactVerify(token, keys.find, { algorithms: [...algorithms] });
      return { outcome: 'verified' };
    } catch (error) {
      // The messages of jose may quote the token; its codes do not.
      const code = error instanceof errors.JOSEError ? error.code : 'ERR_KEY_UNFIT';
      return {
        outcome: 'refused',
        why: WHYS.get(code) ?? `signature not accepted (${code})`,
        keyUnknown: code === UNKNOWN_KEY,
      };
    }
  }

  /** One request at a time, whoever asks; none at all soon after the last one. */
  async #refresh(): Promise<void> {
    if (this.#fetching === null) {
      if (this.#clock.now() - this.#askedAt < this.#ages.pause_ms) return;
      this.#askedAt = this.#clock.now();
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = null;
      });
    }
    await this.#fetching;
  }

  async #fetch(): Promise<void> {
    const fetchedAt = this.#clock.now();
    const published = await publishedKeys(this.#issuer, this.#rules);
    if (published.outcome === 'failed') this.#failure = published.why;
    else this.#keys = { find: createLocalJWKSet(published.keys), fetchedAt };
  }

  #age(): number {
    return this.#keys === null ? Number.POSITIVE_INFINITY : this.#clock.now() - this.#keys.fetchedAt;
  }
}

type KeyFinder = ReturnType<typeof createLocalJWKSet>;

type Verdict =
  | Exclude<SignatureVerdict, { outcome: 'refused' }>
  | { readonly outcome: 'refused'; readonly why: string; readonly keyUnknown: boolean };

const UNKNOWN_KEY = 'ERR_JWKS_NO_MATCHING_KEY';
const WHYS = new Map([
  [UNKNOWN_KEY, 'no published key has this kid and fits this alg'],
  ['ERR_JWKS_MULTIPLE_MATCHING_KEYS', 'several published keys fit and the token names none'],
  ['ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'the signature is wrong'],
  ['ERR_JOSE_ALG_NOT_ALLOWED', 'alg is not accepted'],
]);
