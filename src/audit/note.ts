import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { HASH_BYTES, sha256 } from './hash.ts';

/**
 * Signed notes (C2SP signed-note) and the checkpoints (C2SP tlog-checkpoint) written as such. Only Ed25519 keys of
 * type 0x01 are known here; signatures by anything else, a witness for instance, are carried and not judged.
 */
export interface VerifierKey {
  readonly name: string;
  /** The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key), in hexadecimal. */
  readonly id: string;
  readonly key: KeyObject;
  /** `name+id+base64(type ‖ key)`: what is given to those who verify. */
  readonly text: string;
}

export interface SignerKey {
  readonly verifier: VerifierKey;
  readonly key: KeyObject;
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

export function signerKey(name: string, key: KeyObject): SignerKey {
  const raw = createPublicKey(key).export({ format: 'jwk' }).x;
  if (raw === undefined || key.asymmetricKeyType !== 'ed25519') throw broken('the signing key is not an Ed25519 key');
  return { verifier: verifierKey(name, Buffer.from(raw, 'base64url')), key };
}

export function verifierKey(name: string, raw: Uint8Array): VerifierKey {
  if (!isName(name)) throw broken(`'${name}' cannot name a key: it is empty or has a space or a plus`);
  const typed = Buffer.concat([Buffer.from([ED25519]), raw]);
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), typed]))
    .subarray(0, ID_BYTES)
    .toString('hex');
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') },
    format: 'jwk',
  });
  return { name, id, key, text: `${name}+${id}+${typed.toString('base64')}` };
}

export function parseVerifierKey(text: string): VerifierKey {
  // The base64 may hold a plus itself, so only the first two part the fields.
  const found = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim());
  if (found === null) throw broken('the key is not of the form name+id+base64');
  const [, name = '', id, encoded = ''] = found;
  const typed = decodeBase64(encoded);
  if (typed === null || typed.length !== 1 + KEY_BYTES) throw broken('the key is not 33 bytes in base64');
  if (typed[0] !== ED25519) throw broken(`the key is of type ${typed[0]}, not Ed25519 (1)`);
  const key = verifierKey(name, typed.subarray(1));
  if (key.id !== id) throw broken(`the key's id is ${id}, its name and bytes give ${key.id}`);
  return key;
}

export function signNote(text: string, signer: SignerKey): string {
  if (!isNoteText(text)) throw new Error('a note is lines of text that end with a line feed');
  const signature = sign(null, Buffer.from(text), signer.key);
  const line = Buffer.concat([Buffer.from(signer.verifier.id, 'hex'), signature]).toString('base64');
  return `${text}\n— ${signer.verifier.name} ${line}\n`;
}

/** The text of a note that the key has signed. A note without that signature, or with a bad one, is no note. */
export function openNote(note: string, key: VerifierKey): string {
  if (note.length > NOTE_LENGTH_MAX) throw broken(`note of ${note.length} characters, limit ${NOTE_LENGTH_MAX}`);
  // The signatures follow the last empty line: text may hold empty lines of its own.
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !isNoteText(note))
    throw broken('not a signed note: no empty line, no last line feed, or control characters');
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > SIGNATURES_MAX) throw broken(`note with ${lines.length} signatures, limit ${SIGNATURES_MAX}`);
  let signed = false;
  for (const line of lines) {
    const signature = parseSignature(line);
    if (signature.name !== key.name || signature.id !== key.id) continue;
    if (!verify(null, Buffer.from(text), key.key, signature.bytes))
      throw broken(`the signature by ${key.name} does not fit the text`);
    signed = true;
  }
  if (!signed) throw broken(`the note is not signed by ${key.name} with key ${key.id}`);
  return text;
}

export function encodeCheckpoint(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${checkpoint.root.toString('base64')}\n`;
}

/** Opens a checkpoint and takes it apart. Extension lines are allowed and mean nothing here. */
export function openCheckpoint(note: string, key: VerifierKey): Checkpoint {
  const [origin, size = '', root = '', ...extensions] = openNote(note, key).split('\n');
  if (origin !== key.name) throw broken(`the checkpoint is of '${origin}', the key of '${key.name}'`);
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size)))
    throw broken(`'${size}' is not a tree size`);
  const hash = decodeBase64(root);
  if (hash === null || hash.length !== HASH_BYTES) throw broken(`'${root}' is not a root hash`);
  if (extensions.slice(0, -1).includes('') || extensions.at(-1) !== '')
    throw broken('the checkpoint has an empty extension line');
  return { origin, size: Number(size), root: hash };
}

function parseSignature(line: string): { name: string; id: string; bytes: Buffer } {
  const found = /^— (\S+) (\S+)$/.exec(line);
  const bytes = found?.[2] === undefined ? null : decodeBase64(found[2]);
  const name = found?.[1] ?? '';
  if (bytes === null || bytes.length <= ID_BYTES || !isName(name)) throw broken('a signature line is malformed');
  return { name, id: bytes.subarray(0, ID_BYTES).toString('hex'), bytes: bytes.subarray(ID_BYTES) };
}

/** Only the one spelling: what decodes and encodes to something else could be changed unnoticed. */
function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

function isName(name: string): boolean {
  return name !== '' && !/[\s+]/u.test(name);
}

function isNoteText(text: string): boolean {
  return text.endsWith('\n') && text.isWellFormed() && !/[\x00-\x09\x0b-\x1f\x7f\ufffd]/.test(text);
}

function broken(message: string): GatewayError {
  return new GatewayError('RECORD_BROKEN', message);
}

const ED25519 = 1;
const ID_BYTES = 4;
const KEY_BYTES = 32;
const SIGNATURES_MAX = 100;
const NOTE_LENGTH_MAX = 1_000_000;
