import type { JsonObject } from '../core/json.ts';
import { parseStrictObject } from './strict-json.ts';

/** What a token says about itself, before anybody has verified it. */
export interface UnverifiedToken {
  readonly algorithm: string;
  readonly claims: JsonObject;
  /** Header and payload as they are signed; the signature is not part of it. */
  readonly signingInput: string;
}

export type ParsedToken =
  | { readonly outcome: 'parsed'; readonly token: UnverifiedToken }
  | { readonly outcome: 'refused'; readonly why: string };

/** Whether a secret can be meant as a JWT at all: three parts, the first a JSON object in base64url. */
export function looksLikeJwt(secret: string): boolean {
  return secret.startsWith('ey') && secret.split('.', 4).length === 3;
}

/**
 * Reads a compact JWS (RFC 7515 §7.1) that claims to be an ID token. Of the header only `alg`, `kid` and `typ` mean
 * anything here: keys come from the configured issuer, so `jku`, `jwk`, `x5u` and `x5c` are not looked at.
 */
export function parseToken(text: string, bytes_max: number): ParsedToken {
  if (text.length > bytes_max) return refused(`token of ${text.length} characters, limit ${bytes_max}`);
  const [header64, payload64, signature64, ...more] = text.split('.', 4);
  if (header64 === undefined || payload64 === undefined || signature64 === undefined || more.length > 0) {
    return refused('token does not have three parts');
  }
  const header = decodeObject(header64);
  if (header === null) return refused('token header is not one JSON object with distinct keys');
  const claims = decodeObject(payload64);
  if (claims === null) return refused('token payload is not one JSON object with distinct keys');
  if (signature64 === '' || !BASE64URL.test(signature64)) return refused('token has no signature');

  const { alg, typ, kid } = header;
  if (typeof alg !== 'string') return refused('token header has no alg');
  // RFC 8725 §3.11: a token made for another purpose is not an ID token. Those have typ JWT or none (RFC 7519 §5.1).
  if (typ !== undefined && (typeof typ !== 'string' || typ.toUpperCase() !== 'JWT'))
    return refused('token typ is not JWT');
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > KID_CHARACTERS_MAX))
    return refused('token kid is ill-formed');
  // RFC 7515 §4.1.11: whoever does not understand an extension that is marked critical must refuse. We know none.
  for (const extension of ['crit', 'b64', 'zip', 'enc']) {
    if (header[extension] !== undefined) return refused(`token header has ${extension}`);
  }
  return { outcome: 'parsed', token: { algorithm: alg, claims, signingInput: `${header64}.${payload64}` } };
}

function decodeObject(text: string): JsonObject | null {
  if (text === '' || !BASE64URL.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  // One text for one value: no stray bits in the last character.
  if (bytes.toString('base64url') !== text) return null;
  try {
    return parseStrictObject(UTF8.decode(bytes));
  } catch {
    return null;
  }
}

function refused(why: string): ParsedToken {
  return { outcome: 'refused', why };
}

const BASE64URL = /^[A-Za-z0-9_-]*$/;
const KID_CHARACTERS_MAX = 512;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
