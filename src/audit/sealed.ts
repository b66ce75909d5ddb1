import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { EntryIndex, SessionId } from '../core/ids.ts';
import type { JsonValue } from '../core/json.ts';
import type { Attachments } from './attachments.ts';
import { BLOBS, isRecord } from './entry.ts';
import { copyStored, type Frame, indexOf, SALT_BYTES } from './frame.ts';
import { sha256 } from './hash.ts';
import type { FrameRun } from './held.ts';
import { framesOf, type Rest } from './journal.ts';
import type { FileSystem } from './ports.ts';
import type { Sealed } from './stage.ts';

/**
 * The sealed fields of all sessions: one file a session beside the tree, and a directory for its blobs. Removing them,
 * or the session's key where they are encrypted, erases what was said and done and leaves the tree as it is.
 */
export class SealedStore {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #keysDirectory: string | null;
  readonly #keys = new Map<string, Buffer>();
  readonly #ends = new Map<string, End>();

  constructor(files: FileSystem, auditDirectory: string, keysDirectory: string | null) {
    this.#files = files;
    this.#directory = join(auditDirectory, SEALED_DIRECTORY);
    this.#keysDirectory = keysDirectory;
  }

  path(session: SessionId | null): string {
    const name = fileName(session);
    return join(this.#directory, sha256(Buffer.from(name)).subarray(0, 1).toString('hex'), name);
  }

  /** What encrypts under a session's key; the key is made and attached at its first use. */
  cipher(session: SessionId, index: EntryIndex, attachments: Attachments): (plain: Buffer) => Buffer {
    const key = this.#key(session) ?? this.#newKey(session, attachments);
    return (plain) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      cipher.setAAD(associated(session, index));
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    };
  }

  /** Writes the JSON text of a long field to a blob, and says what the sealed part holds in its place. */
  attach(
    session: SessionId | null,
    json: string,
    encrypt: ((plain: Buffer) => Buffer) | null,
    attachments: Attachments,
  ): JsonValue {
    const plain = Buffer.concat([randomBytes(SALT_BYTES), Buffer.from(json)]);
    const stored = encrypt === null ? plain : encrypt(plain);
    // Over salted or encrypted bytes, so that nobody can guess the content from its name.
    const digest = sha256(stored).toString('hex');
    attachments.write(this.#blobPath(session, digest), stored, BLOB_PARENTS);
    return { digest, bytes: plain.length - SALT_BYTES };
  }

  /** Appends the stored parts of journalled entries to the files of their sessions, durable with the files' names. */
  async appendAll(entries: Iterable<FrameRun>): Promise<void> {
    const sessions = new Map<SessionId | null, Places>();
    for (const run of entries) {
      gather(run, sessions);
      await new Promise(setImmediate);
    }
    const directories = new Set<string>();
    const paths: string[] = [];
    for (const [session, places] of sessions) {
      const path = this.path(session);
      paths.push(path);
      if (this.#ends.get(path)?.named !== true) directories.add(dirname(path));
      await this.#append(path, places);
    }
    if (directories.size === 0) return;
    for (const directory of [...directories, this.#directory, dirname(this.#directory)])
      await this.#files.syncDirectory(directory);
    for (const path of paths) {
      const known = this.#ends.get(path);
      if (known !== undefined) known.named = true;
    }
  }

  /**
   * In the order of their entries. What the file has already, from before a crash or a failure half way, is not appended
   * again.
   */
  async #append(path: string, places: Places): Promise<void> {
    const known = this.#ends.get(path);
    if (known === undefined) await this.#files.makeDirectory(dirname(path));
    const file = await this.#files.open(path, 'update');
    try {
      const { named, last, end: begin } = known ?? (await this.#scanEnd(path));
      const count = places.runs.length;
      let from = 0;
      while (from < count && indexAt(places, from) <= last) from += 1;
      if (from === count) return;
      this.#ends.delete(path);
      let end = begin;
      for (; from < count; from += FRAMES_AT_ONCE) {
        const bytes = storedFrames(places, from, Math.min(count, from + FRAMES_AT_ONCE));
        await this.#files.write(file, bytes, end);
        end += bytes.length;
      }
      // What a failure half way left is not always shorter than what took its place.
      if (known === undefined) await this.#files.truncate(file, end);
      await this.#files.sync(file);
      this.#ends.set(path, { end, last: indexAt(places, count - 1), named });
      if (this.#ends.size > ENDS_MAX) this.#ends.delete(this.#ends.keys().next().value ?? '');
    } finally {
      this.#files.closeNow(file);
    }
  }

  /** The frames of a session's file by entry, and what follows the last whole one. */
  async load(
    session: SessionId | null,
  ): Promise<{ readonly frames: ReadonlyMap<EntryIndex, Frame>; readonly rest: Rest }> {
    const bytes = Buffer.from((await this.#files.readWhole(this.path(session))) ?? new Uint8Array(0));
    const { frames, rest } = framesOf(bytes);
    return { frames: new Map(frames.map((frame) => [frame.index, frame])), rest };
  }

  /** The plain stored part: salt ‖ sealed JSON. `null`: the key is gone, or these are not the bytes. */
  decrypt(session: SessionId | null, index: EntryIndex, stored: Buffer): Buffer | null {
    const key = session === null ? null : this.#key(session);
    if (key === null || session === null || stored.length < NONCE_BYTES + TAG_BYTES) return null;
    const decipher = createDecipheriv('aes-256-gcm', key, stored.subarray(0, NONCE_BYTES));
    decipher.setAAD(associated(session, index));
    decipher.setAuthTag(stored.subarray(stored.length - TAG_BYTES));
    try {
      return Buffer.concat([
        decipher.update(stored.subarray(NONCE_BYTES, stored.length - TAG_BYTES)),
        decipher.final(),
      ]);
    } catch {
      return null;
    }
  }

  /** The sealed fields of a plain stored part, with the long ones read from their blobs. */
  async open(session: SessionId | null, index: EntryIndex, plain: Buffer, encrypted: boolean): Promise<Opened> {
    const value: unknown = JSON.parse(plain.subarray(SALT_BYTES).toString());
    if (!isRecord(value)) return { is: 'broken' };
    // What was parsed from JSON holds JSON values.
    const { [BLOBS]: blobs, ...fields } = value as Record<string, JsonValue>;
    const whole: Record<string, JsonValue> = { ...fields };
    for (const [name, digest] of blobDigests(blobs)) {
      const stored = await this.#files.readWhole(this.#blobPath(session, digest));
      if (stored === null) return { is: 'absent' };
      if (sha256(stored).toString('hex') !== digest) return { is: 'broken' };
      const opened = encrypted ? this.decrypt(session, index, Buffer.from(stored)) : Buffer.from(stored);
      if (opened === null) return { is: 'broken' };
      whole[name] = JSON.parse(opened.subarray(SALT_BYTES).toString()) as JsonValue;
    }
    return { is: 'fits', sealed: whole };
  }

  /**
   * Removes those blobs of an entry that a power cut has torn. The entry was written and never synced, so nothing crossed
   * on it; what is left of such a blob would look like one that somebody has changed.
   */
  async dropTorn(session: SessionId | null, frame: Frame): Promise<void> {
    const plain = frame.encrypted ? this.decrypt(session, frame.index, frame.stored) : frame.stored;
    if (plain === null || !plain.includes(`"${BLOBS}":`)) return;
    const value: unknown = JSON.parse(plain.subarray(SALT_BYTES).toString());
    for (const [, digest] of blobDigests(isRecord(value) ? value[BLOBS] : null)) {
      const stored = await this.#files.readWhole(this.#blobPath(session, digest));
      if (stored !== null && sha256(stored).toString('hex') === digest) continue;
      await this.#files.remove(this.#blobPath(session, digest));
    }
  }

  /** Removes a session's sealed fields, blobs and key. Its entries in the journal must have been retired before. */
  async erase(session: SessionId): Promise<void> {
    const path = this.path(session);
    const keyPath = this.#keyPath(session);
    this.#keys.delete(session);
    this.#ends.delete(path);
    if (keyPath !== null) {
      await this.#files.remove(keyPath);
      await this.#files.makeDirectory(dirname(keyPath));
      await this.#files.syncDirectory(dirname(keyPath));
    }
    await this.#files.remove(path);
    await this.#files.remove(`${path}.blobs`);
    await this.#files.makeDirectory(dirname(path));
    await this.#files.syncDirectory(dirname(path));
  }

  async #scanEnd(path: string): Promise<End> {
    const bytes = Buffer.from((await this.#files.readWhole(path)) ?? new Uint8Array(0));
    const { frames, end } = framesOf(bytes);
    return { end, last: frames.at(-1)?.index ?? -1, named: false };
  }

  #key(session: SessionId): Buffer | null {
    const known = this.#keys.get(session);
    if (known !== undefined) return known;
    const path = this.#keyPath(session);
    const bytes = path === null ? null : this.#files.readNow(path);
    if (bytes === null || bytes.length !== KEY_BYTES) return null;
    return this.#remember(session, Buffer.from(bytes));
  }

  #newKey(session: SessionId, attachments: Attachments): Buffer {
    const path = this.#keyPath(session);
    if (path === null) throw new Error('there is no directory for the keys of sessions');
    const key = randomBytes(KEY_BYTES);
    attachments.write(path, key, KEY_PARENTS);
    return this.#remember(session, key);
  }

  #remember(session: SessionId, key: Buffer): Buffer {
    this.#keys.set(session, key);
    if (this.#keys.size > KEYS_MAX) this.#keys.delete(this.#keys.keys().next().value ?? '');
    return key;
  }

  #blobPath(session: SessionId | null, digest: string): string {
    return join(`${this.path(session)}.blobs`, digest);
  }

  #keyPath(session: SessionId): string | null {
    return this.#keysDirectory === null ? null : join(this.#keysDirectory, `${fileName(session)}.key`);
  }
}

/** `absent`: a blob is not there; `broken`: a blob is not the one that is named. */
export type Opened = { readonly is: 'fits'; readonly sealed: Sealed } | { readonly is: 'absent' | 'broken' };

/** How far a session's file is written. */
interface End {
  readonly end: number;
  readonly last: EntryIndex;
  /** Whether its name is durable. */
  named: boolean;
}

/** Frames of one session in the order of their entries: the run each lies in, and its number there. */
interface Places {
  readonly runs: FrameRun[];
  readonly numbers: number[];
}

function gather(run: FrameRun, sessions: Map<SessionId | null, Places>): void {
  for (let number = run.from; number < run.to; number += 1) {
    const session = run.sessions[number] ?? null;
    let places = sessions.get(session);
    if (places === undefined) {
      places = { runs: [], numbers: [] };
      sessions.set(session, places);
    }
    places.runs.push(run);
    places.numbers.push(number);
  }
}

function indexAt({ runs, numbers }: Places, at: number): EntryIndex {
  const run = runs[at];
  return run === undefined ? -1 : indexOf(run.bytes, run.starts[numbers[at] ?? 0] ?? 0);
}

function storedFrames({ runs, numbers }: Places, from: number, to: number): Buffer {
  let length = 0;
  for (let at = from; at < to; at += 1) {
    const number = numbers[at] ?? 0;
    length += (runs[at]?.leaves[number] ?? 0) - (runs[at]?.starts[number] ?? 0);
  }
  const bytes = Buffer.allocUnsafe(length);
  let end = 0;
  for (let at = from; at < to; at += 1) {
    const [run, number] = [runs[at], numbers[at] ?? 0];
    if (run !== undefined) end = copyStored(run.bytes, run.starts[number] ?? 0, run.leaves[number] ?? 0, bytes, end);
  }
  return bytes;
}

function* blobDigests(blobs: unknown): Generator<readonly [string, string]> {
  if (!isRecord(blobs)) return;
  for (const [name, blob] of Object.entries(blobs)) {
    // A digest is a file's name, so it must be nothing else.
    const digest =
      isRecord(blob) && typeof blob.digest === 'string' && DIGEST.test(blob.digest) ? blob.digest : '0'.repeat(64);
    yield [name, digest];
  }
}

/** Ids are the gateway's own and are names as they are; anything else is named by its digest. */
function fileName(session: SessionId | null): string {
  if (session === null) return GATEWAY;
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(session)
    ? session
    : `_${sha256(Buffer.from(session)).toString('hex')}`;
}

function associated(session: SessionId, index: EntryIndex): Buffer {
  return Buffer.from(`${index}\n${session}`);
}

export const SEALED_DIRECTORY = 'sealed';
/** Entries that belong to no session. */
const GATEWAY = '_gateway';
const DIGEST = /^[0-9a-f]{64}$/;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** `ab/SESSION.blobs` and `sealed`, and `audit` that names it. */
const BLOB_PARENTS = 4;
/** `sessions`, and `keys` that names it. */
const KEY_PARENTS = 2;
const KEYS_MAX = 10_000;
const ENDS_MAX = 10_000;
/** Copying and checking them takes less than a millisecond. */
const FRAMES_AT_ONCE = 1024;
