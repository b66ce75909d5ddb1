import type { EpochMs } from '../core/ids.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';

/** The claims every token must have, checked. */
export interface RegisteredClaims {
  readonly subject: string;
  readonly issuedAt: EpochMs;
  readonly expiresAt: EpochMs;
}

export interface ClaimRules {
  readonly issuer: string;
  readonly audience: string;
  /** `client`: an ID token for our client, perhaps among others; `alone`: nobody else may have been shown it. */
  readonly audienceRule: 'client' | 'alone';
  readonly tokenAge_ms: number;
}

export type CheckedClaims =
  | { readonly outcome: 'valid'; readonly registered: RegisteredClaims }
  | { readonly outcome: 'refused'; readonly why: string };

/** How far an issuer's clock and ours may be apart. */
export const SKEW_MS = 60_000;

/** OpenID Connect Core §3.1.3.7 and RFC 8725 §3, on claims whose signature has been verified. */
export function checkClaims(claims: JsonObject, rules: ClaimRules, now: EpochMs): CheckedClaims {
  if (claims.iss !== rules.issuer) return refused(`iss is ${shown(claims.iss)}, expected ${shown(rules.issuer)}`);
  const audience = checkAudience(claims, rules);
  if (audience !== null) return refused(audience);
  const { sub } = claims;
  if (typeof sub !== 'string' || !isIdentifier(sub)) return refused('sub is missing or ill-formed');
  // OpenID Connect Back-Channel Logout §2.4: a logout token must not be mistaken for an ID token.
  if (claims.events !== undefined) return refused('the token is a security event, not an ID token');

  const expiresAt = numericDate(claims.exp);
  if (expiresAt === null) return refused('exp is missing or no date');
  if (now >= expiresAt + SKEW_MS) return refused(`expired ${now - expiresAt} ms ago`);
  const issuedAt = numericDate(claims.iat);
  if (issuedAt === null) return refused('iat is missing or no date');
  if (issuedAt > now + SKEW_MS) return refused(`iat is ${issuedAt - now} ms in the future`);
  if (now - issuedAt > rules.tokenAge_ms + SKEW_MS) return refused(`issued ${now - issuedAt} ms ago`);
  if (claims.nbf !== undefined) {
    const notBefore = numericDate(claims.nbf);
    if (notBefore === null) return refused('nbf is no date');
    if (notBefore > now + SKEW_MS) return refused(`nbf is ${notBefore - now} ms in the future`);
  }
  return { outcome: 'valid', registered: { subject: sub, issuedAt, expiresAt } };
}

function checkAudience(claims: JsonObject, rules: ClaimRules): string | null {
  const { aud, azp } = claims;
  const audiences: readonly JsonValue[] = Array.isArray(aud) ? aud : [aud ?? null];
  if (!audiences.includes(rules.audience)) return `aud is ${shown(aud)}, expected ${shown(rules.audience)}`;
  if (rules.audienceRule === 'alone') return audiences.length === 1 ? null : 'aud names other audiences too';
  // §3.1.3.7 (4), (5): among several audiences, azp says whose token it is; where it stands, it is ours.
  if (audiences.length > 1 && azp === undefined) return 'aud names other audiences too, and azp is missing';
  if (azp !== undefined && azp !== rules.audience) return `azp is ${shown(azp)}, expected ${shown(rules.audience)}`;
  return null;
}

/** Something that may stand in ids and logs: not empty, not long, no control or formatting characters, no lone surrogates. */
export function isIdentifier(text: string): boolean {
  return text.length > 0 && text.length <= 255 && text.isWellFormed() && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text);
}

/** A claim's value as it may stand in the record: escaped and short. */
export function shown(value: JsonValue | undefined): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}…`;
}

/** Seconds since 1970 (RFC 7519 §2), as milliseconds; anything a date cannot hold is no date. */
function numericDate(value: JsonValue | undefined): EpochMs | null {
  return typeof value === 'number' && value >= 0 && value <= DATE_SECONDS_MAX ? value * 1_000 : null;
}

function refused(why: string): CheckedClaims {
  return { outcome: 'refused', why };
}

const SHOWN_CHARACTERS_MAX = 120;
/** The year 9999. */
const DATE_SECONDS_MAX = 253_402_300_799;
