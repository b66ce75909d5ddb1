import { join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import type { EntryIndex, SessionId } from '../core/ids.ts';
import { readHashes } from './bundle.ts';
import { isRecord, parseEntry } from './entry.ts';
import { HASH_BYTES, leafHash } from './hash.ts';
import { openCheckpoint, parseVerifierKey } from './note.ts';
import type { FileSystem } from './ports.ts';
import { type HashReader, includes, inclusionRanges, rangeRoot } from './proof.ts';
import { CHECKPOINT } from './publisher.ts';
import type { LogReader } from './reader.ts';
import { TILE_WIDTH } from './tiles.ts';

/**
 * The entries of one session with the proof that each is in the log: what can be handed to somebody who has the public
 * key and shall see nothing else. The sealed fields are not in it; the commitments are.
 */
export interface SessionProof {
  readonly v: 1;
  readonly session: SessionId;
  readonly checkpoint: string;
  readonly entries: readonly {
    readonly index: EntryIndex;
    readonly entry: string;
    readonly proof: readonly string[];
  }[];
}

/** `indexes` are the session's entries; those after the checkpoint cannot be proved yet and are left out. */
export async function proveSession(
  files: FileSystem,
  directory: string,
  vkey: string,
  reader: LogReader,
  session: SessionId,
  indexes: readonly EntryIndex[],
): Promise<SessionProof> {
  const note = Buffer.from((await files.readWhole(join(directory, CHECKPOINT))) ?? new Uint8Array(0)).toString();
  const { size } = openCheckpoint(note, parseVerifierKey(vkey));
  const hashes = tileHashes(files, directory, size);
  const entries: SessionProof['entries'][number][] = [];
  for await (const { index, bytes } of reader.bytes(indexes.filter((entry) => entry < size))) {
    const proof: string[] = [];
    for (const range of inclusionRanges(index, size)) proof.push((await rangeRoot(range, hashes)).toString('base64'));
    entries.push({ index, entry: bytes.toString(), proof });
  }
  return { v: 1, session, checkpoint: note, entries };
}

/** What is wrong with a proof; nothing when it holds. */
export function checkSessionProof(value: unknown, vkey: string): readonly string[] {
  if (!isSessionProof(value)) return ['it is not a proof of a session'];
  try {
    const { size, root } = openCheckpoint(value.checkpoint, parseVerifierKey(vkey));
    const wrong: string[] = [];
    let last = -1;
    for (const { index, entry, proof } of value.entries) {
      const bytes = Buffer.from(entry);
      const parsed = parseEntry(bytes);
      if (index <= last) wrong.push(`entry ${index} does not follow entry ${last}`);
      if (parsed.session !== value.session || parsed.seq !== index)
        wrong.push(`entry ${index} is not of this session and place`);
      const siblings = proof.map((hash) => Buffer.from(hash, 'base64'));
      if (!includes(index, size, leafHash(bytes), siblings, root))
        wrong.push(`entry ${index} is not proved to be in the log`);
      last = index;
    }
    return wrong;
  } catch (error) {
    if (error instanceof GatewayError) return [error.message];
    throw error;
  }
}

/** Reads hashes from the tiles of a tree of `size`, keeping the last few. */
export function tileHashes(files: FileSystem, directory: string, size: number): HashReader {
  const tiles = new Map<string, Buffer>();
  return async (level, start, count) => {
    const index = Math.floor(start / TILE_WIDTH);
    const name = `${level}/${index}`;
    const tile = tiles.get(name) ?? (await readHashes(files, directory, size, level, index));
    if (tile === null) throw new GatewayError('RECORD_BROKEN', `tile ${index} of level ${level} is missing or cut`);
    if (tiles.size >= TILES_KEPT_MAX) tiles.delete(tiles.keys().next().value ?? '');
    tiles.set(name, tile);
    const offset = (start % TILE_WIDTH) * HASH_BYTES;
    return tile.subarray(offset, offset + count * HASH_BYTES);
  };
}

function isSessionProof(value: unknown): value is SessionProof {
  return (
    isRecord(value) &&
    value.v === 1 &&
    typeof value.session === 'string' &&
    typeof value.checkpoint === 'string' &&
    Array.isArray(value.entries) &&
    value.entries.every(
      (entry) =>
        isRecord(entry) &&
        Number.isSafeInteger(entry.index) &&
        typeof entry.entry === 'string' &&
        Array.isArray(entry.proof) &&
        entry.proof.every((hash) => typeof hash === 'string'),
    )
  );
}

const TILES_KEPT_MAX = 256;
