import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../../core/errors.ts';
import type { ScramVerifier } from '../protocol.ts';

/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; channel binding tls-server-end-point, RFC 5929 §4), both
 * sides, as values. Nonces and salted passwords come in as arguments; nothing here waits, reads a clock or draws a number.
 *
 * Towards a client:  `serverFirst` → send its message → `serverFinal` with what comes back.
 * Towards a target:  `clientFirst` → `clientChallenge` → (PBKDF2 elsewhere) → `clientFinal` → `verifyServerFinal`.
 *
 * Messages are read as latin1, one character a byte, because the proofs are over bytes. Whatever a peer sends, it is
 * refused with a GatewayError that says who is guilty: WIRE_MALFORMED or IDENTITY_REFUSED a client, TARGET_* a target.
 */

export const SCRAM = 'SCRAM-SHA-256';
export const SCRAM_PLUS = 'SCRAM-SHA-256-PLUS';

/** What a server may offer: binding only where there is a TLS channel to bind to. Strongest first. */
export function serverMechanisms(endPoint: Buffer | null): readonly string[] {
  return endPoint === null ? [SCRAM] : [SCRAM_PLUS, SCRAM];
}

/** What the server says of an account, and what it offered. */
export interface ServerTerms {
  /** The mechanism that the client chose. */
  readonly mechanism: string;
  /** The hash of our certificate; not `null` exactly where SCRAM_PLUS was offered. */
  readonly endPoint: Buffer | null;
  /** The server's part of the nonce: printable, without a comma. */
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

export interface ServerFirst {
  /** For AuthenticationSASLContinue. */
  readonly message: Buffer;
  /** Both nonces. */
  readonly nonce: string;
  /** `client-first-message-bare,server-first-message`: the beginning of what both sides prove. */
  readonly exchange: string;
  /** What the client's `c=` must be. */
  readonly binding: Buffer;
  readonly bound: boolean;
}

/** Answers a client-first-message. Throws where it is malformed, or where its view of channel binding shows a man in the middle. */
export function serverFirst(clientFirst: Buffer, terms: ServerTerms): ServerFirst {
  const text = printableText(clientFirst, broken);
  const match = CLIENT_FIRST.exec(text);
  if (match === null) throw broken('is no client-first-message');
  const [, header = '', flag = '', bindingName, authorization = '', bare = '', nonce = '', extensions = ''] = match;
  if (authorization !== '') throw broken('asks for an authorization identity, which there is not');
  if (nonce.length > NONCE_CHARACTERS_MAX) throw broken(`has a nonce of ${nonce.length} characters`);
  refuseMandatory(extensions, broken);
  checkBindingFlag(flag, bindingName, terms);
  const bound = bindingName !== undefined && terms.endPoint !== null;
  const both = nonce + terms.nonce;
  const message = `r=${both},s=${terms.salt.toString('base64')},i=${terms.iterations}`;
  return {
    message: latin1(message),
    nonce: both,
    exchange: `${bare},${message}`,
    binding: bound && terms.endPoint !== null ? Buffer.concat([latin1(header), terms.endPoint]) : latin1(header),
    bound,
  };
}

export interface ServerFinal {
  /** The id of the verifier that the proof fits, or `null`. */
  readonly verifier: string | null;
  /** For AuthenticationSASLFinal: what proves that we know the verifier too. Worthless where there is none. */
  readonly message: Buffer;
}

/**
 * Checks a client-final-message against every verifier, in the same time whichever fits or none.
 * Throws where the message is malformed, or was meant for another TLS channel.
 */
export function serverFinal(first: ServerFirst, clientFinal: Buffer, verifiers: readonly ScramVerifier[]): ServerFinal {
  const text = printableText(clientFinal, broken);
  const match = CLIENT_FINAL.exec(text);
  if (match === null) throw broken('is no client-final-message');
  const [, withoutProof = '', bindingText = '', nonce = '', extensions = '', proofText = ''] = match;
  refuseMandatory(extensions, broken);
  const proof = base64(proofText, broken);
  if (proof.length !== HASH_BYTES) throw broken(`has a proof of ${proof.length} bytes`);
  checkBinding(base64(bindingText, broken), first);
  if (!same(latin1(nonce), latin1(first.nonce))) throw broken('has another nonce than the one it was given');

  const exchange = latin1(`${first.exchange},${withoutProof}`);
  let verifier: string | null = null;
  let serverKey: Buffer = NO_KEY;
  for (const candidate of verifiers.length === 0 ? [NOBODY] : verifiers) {
    const clientKey = xor(proof, hmac(candidate.storedKey, exchange));
    if (same(sha256(clientKey), candidate.storedKey) && candidate !== NOBODY) {
      verifier = candidate.id;
      serverKey = candidate.serverKey;
    }
  }
  return { verifier, message: latin1(`v=${hmac(serverKey, exchange).toString('base64')}`) };
}

/** What a server keeps instead of a salted password (RFC 5802 §3). */
export function verifierKeys(saltedPassword: Buffer): { readonly storedKey: Buffer; readonly serverKey: Buffer } {
  return {
    storedKey: sha256(hmac(saltedPassword, latin1('Client Key'))),
    serverKey: hmac(saltedPassword, latin1('Server Key')),
  };
}

export interface ClientFirst {
  readonly mechanism: string;
  /** For SASLInitialResponse. */
  readonly message: Buffer;
  readonly nonce: string;
  readonly bare: string;
  /** What our `c=` will be. */
  readonly binding: Buffer;
}

/**
 * Begins a login at a target that offers `mechanisms`. `endPoint`: the hash of the target's certificate, `null` without
 * TLS. The user name stays empty, as libpq's does: PostgreSQL takes the one of the startup packet.
 */
export function clientFirst(mechanisms: readonly string[], nonce: string, endPoint: Buffer | null): ClientFirst {
  const bound = endPoint !== null && mechanisms.includes(SCRAM_PLUS);
  if (!bound && !mechanisms.includes(SCRAM)) {
    throw new GatewayError('TARGET_LOGIN', `the target offers no SASL mechanism that is spoken here`, { mechanisms });
  }
  // `y`: we could bind, but the server does not offer it. A server that did will know that somebody took the offer away.
  const header = bound ? `p=${END_POINT},,` : endPoint !== null ? 'y,,' : 'n,,';
  const bare = `n=,r=${nonce}`;
  return {
    mechanism: bound ? SCRAM_PLUS : SCRAM,
    message: latin1(header + bare),
    nonce,
    bare,
    binding: bound ? Buffer.concat([latin1(header), endPoint]) : latin1(header),
  };
}

export interface ClientChallenge {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly first: ClientFirst;
  readonly nonce: string;
  readonly message: string;
}

/** Reads a server-first-message: what the salted password is to be derived with. */
export function clientChallenge(first: ClientFirst, serverFirst: Buffer): ClientChallenge {
  const message = printableText(serverFirst, misbehaved);
  const match = SERVER_FIRST.exec(message);
  if (match === null) throw misbehaved('is no server-first-message');
  const [, nonce = '', saltText = '', iterationsText = '', extensions = ''] = match;
  refuseMandatory(extensions, misbehaved);
  if (!nonce.startsWith(first.nonce) || nonce.length === first.nonce.length)
    throw misbehaved('does not continue our nonce');
  if (nonce.length > first.nonce.length + NONCE_CHARACTERS_MAX)
    throw misbehaved(`has a nonce of ${nonce.length} characters`);
  const salt = base64(saltText, misbehaved);
  if (salt.length === 0 || salt.length > SALT_BYTES_MAX) throw misbehaved(`has a salt of ${salt.length} bytes`);
  const iterations = Number(iterationsText);
  // Derivation takes 0.3 µs for each; a target that asks for 2^31 would keep a core busy for minutes.
  if (iterations < 1 || iterations > ITERATIONS_MAX) throw misbehaved(`asks for ${iterationsText} iterations`);
  return { salt, iterations, first, nonce, message };
}

export interface ClientFinal {
  /** For SASLResponse. */
  readonly message: Buffer;
  /** What the server must answer, if it knows the verifier. */
  readonly serverSignature: Buffer;
}

/** Answers a challenge. `saltedPassword`: PBKDF2-HMAC-SHA-256 of the prepared password with the challenge's salt and iterations. */
export function clientFinal(challenge: ClientChallenge, saltedPassword: Buffer): ClientFinal {
  const { first } = challenge;
  const withoutProof = `c=${first.binding.toString('base64')},r=${challenge.nonce}`;
  const exchange = latin1(`${first.bare},${challenge.message},${withoutProof}`);
  const { storedKey, serverKey } = verifierKeys(saltedPassword);
  const proof = xor(hmac(saltedPassword, latin1('Client Key')), hmac(storedKey, exchange));
  return {
    message: latin1(`${withoutProof},p=${proof.toString('base64')}`),
    serverSignature: hmac(serverKey, exchange),
  };
}

/** The server proves that it knows the verifier; a login is not complete without it. Throws TARGET_LOGIN or TARGET_MISBEHAVED. */
export function verifyServerFinal(final: ClientFinal, serverFinal: Buffer): void {
  const text = printableText(serverFinal, misbehaved);
  const match = SERVER_FINAL.exec(text);
  if (match === null) throw misbehaved('is no server-final-message');
  const [, refusal, signatureText = ''] = match;
  if (refusal !== undefined) {
    throw new GatewayError('TARGET_LOGIN', `the target refused the login: ${refusal}`, { refusal });
  }
  const signature = base64(signatureText, misbehaved);
  if (signature.length !== HASH_BYTES || !timingSafeEqual(signature, final.serverSignature)) {
    throw misbehaved('has a wrong signature: the target does not know this password');
  }
}

/** RFC 5802 §6. What each side believes the other can do must agree, or somebody between them changed the offer. */
function checkBindingFlag(flag: string, bindingName: string | undefined, terms: ServerTerms): void {
  const plus = terms.mechanism === SCRAM_PLUS;
  if (!plus && terms.mechanism !== SCRAM) throw broken(`uses a mechanism that was not offered`);
  if (plus && terms.endPoint === null) throw broken(`uses ${SCRAM_PLUS}, which was not offered`);
  if (plus !== (bindingName !== undefined)) throw broken(`says ${flag} to ${terms.mechanism}`);
  if (bindingName !== undefined && bindingName !== END_POINT)
    throw broken(`binds to ${bindingName}, which is not offered`);
  if (flag === 'y' && terms.endPoint !== null) {
    throw new GatewayError('IDENTITY_REFUSED', 'the client was not shown that channel binding is offered');
  }
}

function checkBinding(binding: Buffer, first: ServerFirst): void {
  if (same(binding, first.binding)) return;
  if (!first.bound) throw broken('has another gs2 header than it began with');
  throw new GatewayError('IDENTITY_REFUSED', 'the login was made for another TLS connection than this one');
}

function refuseMandatory(extensions: string, failure: Failure): void {
  if (extensions.startsWith('m=') || extensions.includes(',m=')) throw failure('demands an extension');
}

type Failure = (problem: string) => GatewayError;

function broken(problem: string): GatewayError {
  return new GatewayError('WIRE_MALFORMED', `the client's SCRAM message ${problem}`);
}

function misbehaved(problem: string): GatewayError {
  return new GatewayError('TARGET_MISBEHAVED', `the target's SCRAM message ${problem}`);
}

function printableText(message: Buffer, failure: Failure): string {
  if (message.length > MESSAGE_BYTES_MAX) throw failure(`has ${message.length} bytes`);
  return message.latin1Slice();
}

/** Strict: one text for each value, so that nothing can be said in two ways. */
function base64(text: string, failure: Failure): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw failure('has broken base64');
  return bytes;
}

function same(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

function xor(one: Buffer, other: Buffer): Buffer {
  const result = Buffer.alloc(HASH_BYTES);
  for (let index = 0; index < HASH_BYTES; index++) result[index] = (one[index] ?? 0) ^ (other[index] ?? 0);
  return result;
}

function hmac(key: Buffer, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

function sha256(data: Buffer): Buffer {
  return createHash('sha256').update(data).digest();
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

const END_POINT = 'tls-server-end-point';
const HASH_BYTES = 32;
const NONCE_CHARACTERS_MAX = 256;
const SALT_BYTES_MAX = 1_024;
const ITERATIONS_MAX = 200_000;
const MESSAGE_BYTES_MAX = 4_096;
const NO_KEY = Buffer.alloc(HASH_BYTES);
/** Tried where there is no verifier at all, so that the work is the same. */
const NOBODY: ScramVerifier = { id: '', storedKey: NO_KEY, serverKey: NO_KEY };

// RFC 5802 §7. NUL, comma and, in names, a bare "=" never stand in a value; a nonce is printable.
const CLIENT_FIRST =
  /^((n|y|p=([A-Za-z0-9.-]+)),([^,\0]*),)(n=(?:[^,=\0]|=2C|=3D)*,r=([!-+\--~]+)((?:,[A-Za-z]=[^,\0]+)*))$/;
const SERVER_FIRST = /^r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,9})((?:,[A-Za-z]=[^,\0]+)*)$/;
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)((?:,[A-Za-oq-z]=[^,\0]+)*)),p=([A-Za-z0-9+/=]+)$/;
const SERVER_FINAL = /^(?:e=([^,\0]+)|v=([A-Za-z0-9+/=]+))(?:,[A-Za-z]=[^,\0]+)*$/;
