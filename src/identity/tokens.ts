import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Random, ScramKeys, ScramParameters } from './ports.ts';

/** A gateway token: `sp_`, ten characters that name it, `_`, and 32 random bytes in base64url. */
export interface TokenText {
  readonly id: string;
  readonly secret: string;
}

/** BI tools cut passwords after 64 characters; a token has 57. */
export function newToken(random: Random): TokenText {
  // 32 divides 256, so every letter is equally likely.
  const id = [...random(ID_CHARACTERS)].map((byte) => ID_ALPHABET[byte % ID_ALPHABET.length]).join('');
  return { id, secret: `${PREFIX}${id}_${random(SECRET_BYTES).toString('base64url')}` };
}

/** The id of what is shaped like a gateway token, or `null`. Says nothing about whether there is such a token. */
export function tokenId(secret: string): string | null {
  return SHAPE.exec(secret)?.[1] ?? null;
}

/** Secrets of 256 random bits need no slow hash: there is nothing to guess. */
export function tokenDigest(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}

export function sameDigest(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** RFC 5802 §3, with SHA-256 (RFC 7677). Tokens are ASCII, which SASLprep leaves alone. */
export async function scramKeys(secret: string, parameters: ScramParameters): Promise<ScramKeys> {
  const salted = await derive(Buffer.from(secret, 'utf8'), parameters.salt, parameters.iterations, KEY_BYTES, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return {
    storedKey: createHash('sha256').update(clientKey).digest(),
    serverKey: createHmac('sha256', salted).update('Server Key').digest(),
  };
}

/**
 * The SCRAM parameters that any name has, whether anybody bears it or not. An account keeps the ones its name had before
 * it was made, so that asking for a salt today and tomorrow does not show that it was.
 */
export function parametersOf(name: string, serverSecret: Buffer): ScramParameters {
  const salt = createHmac('sha256', serverSecret)
    .update('salt\0')
    .update(name, 'utf8')
    .digest()
    .subarray(0, SALT_BYTES);
  return { salt, iterations: ITERATIONS };
}

/** Keys that no password has: a name without live tokens gets as much work as one with a token. */
export function nobodysKeys(name: string, serverSecret: Buffer): ScramKeys {
  const key = (label: string): Buffer =>
    createHmac('sha256', serverSecret).update(`${label}\0`).update(name, 'utf8').digest();
  return { storedKey: key('stored'), serverKey: key('server') };
}

const derive = promisify(pbkdf2);
const PREFIX = 'sp_';
const ID_CHARACTERS = 10;
/** Crockford's base32: no i, l, o, u, so that an id read aloud is understood. */
const ID_ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const SECRET_BYTES = 32;
const KEY_BYTES = 32;
/** RFC 7677 §4 asks for at least 4096; the secret is random, so more would only cost time. */
const ITERATIONS = 4096;
const SALT_BYTES = 16;
const SHAPE = /^sp_([0-9a-hjkmnp-tv-z]{10})_[A-Za-z0-9_-]{43}$/;
