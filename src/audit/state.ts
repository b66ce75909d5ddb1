import { dirname, join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import { readHashes, readTile, splitBundle } from './bundle.ts';
import { HASH_BYTES, leafHash } from './hash.ts';
import { isJournalName, journalNames, type Replayed, replayJournal } from './journal.ts';
import { createSigner, readSigner, writeDurably } from './keys.ts';
import { encodeCheckpoint, openCheckpoint, type SignerKey, signNote, type VerifierKey } from './note.ts';
import type { FileSystem } from './ports.ts';
import { CHECKPOINT, type PublishedState } from './publisher.ts';
import { SEALED_DIRECTORY } from './sealed.ts';
import { levelCount, levels, TILE_WIDTH } from './tiles.ts';
import { Tree } from './tree.ts';

/**
 * The signing key and the first checkpoint. A log begins with a signed checkpoint of nothing, so that a missing one
 * always means that somebody took it away; going on without it would sign a second history.
 */
export async function beginOrFind(
  files: FileSystem,
  directory: string,
  keyFile: string,
  origin: string,
): Promise<SignerKey> {
  const checkpoint = await files.readWhole(join(directory, CHECKPOINT));
  const found = await readSigner(files, keyFile, origin);
  if (checkpoint !== null) {
    if (found === null) throw broken('there is a checkpoint but no key to go on with');
    if ((await files.readWhole(join(directory, 'vkey'))) === null) await writeKey(files, directory, found);
    return found;
  }
  for (const { name } of await files.list(directory)) {
    if (TRACES.has(name) || isJournalName(name))
      throw broken(`there is no checkpoint, but '${name}' of a log that had one`);
  }
  const signer = found ?? (await createSigner(files, keyFile, origin));
  // The log's own directory may be new, and its name must stay as long as what is in it.
  await files.syncDirectory(dirname(directory));
  const empty = { origin, size: 0, root: new Tree().root() };
  await writeKey(files, directory, signer);
  await writeDurably(files, join(directory, CHECKPOINT), Buffer.from(signNote(encodeCheckpoint(empty), signer)));
  return signer;
}

function writeKey(files: FileSystem, directory: string, signer: SignerKey): Promise<void> {
  return writeDurably(files, join(directory, 'vkey'), Buffer.from(`${signer.verifier.text}\n`));
}

/** Reads the right edge of the tree and goes on only when it makes the root that the checkpoint signs. */
export async function loadPublished(files: FileSystem, directory: string, key: VerifierKey): Promise<PublishedState> {
  const note = await files.readWhole(join(directory, CHECKPOINT));
  if (note === null) throw broken('there is no checkpoint');
  const checkpoint = Buffer.from(note).toString();
  const { size, root } = openCheckpoint(checkpoint, key);
  const edges: Buffer[] = [];
  for (let level = 0; level < levels(size); level += 1) {
    const count = levelCount(size, level);
    const index = Math.floor(count / TILE_WIDTH);
    const hashes = count % TILE_WIDTH === 0 ? Buffer.alloc(0) : await readHashes(files, directory, size, level, index);
    if (hashes === null) throw broken(`the last tile of level ${level} is missing or cut`);
    edges.push(hashes);
  }
  const tree = Tree.from(size, edges);
  if (!tree.root().equals(root)) throw broken(`the tiles do not make the root that is signed for ${size} entries`);
  return { tree, bundle: await loadBundle(files, directory, tree), checkpoint };
}

/** The entries of the last bundle, which will be written again with those that follow. */
async function loadBundle(files: FileSystem, directory: string, tree: Tree): Promise<Buffer> {
  const width = tree.size % TILE_WIDTH;
  if (width === 0) return Buffer.alloc(0);
  const found = await readTile(files, directory, tree.size, 'entries', Math.floor(tree.size / TILE_WIDTH));
  const { entries, rest } = splitBundle(found?.bytes ?? Buffer.alloc(0), width);
  if (found === null || entries.length !== width) throw broken('the last bundle of entries is missing or cut');
  const hashes = tree.edge(0);
  for (const [number, entry] of entries.entries()) {
    const hash = hashes.subarray(number * HASH_BYTES, (number + 1) * HASH_BYTES);
    if (!leafHash(entry).equals(hash))
      throw broken(`entry ${tree.size - width + number} is not the one that was signed`);
  }
  return found.bytes.subarray(0, found.bytes.length - rest);
}

/** What the journals of an earlier process hold, in the order they were written. */
export async function replayAll(files: FileSystem, directory: string): Promise<readonly Replayed[]> {
  const journals: Replayed[] = [];
  for (const name of await journalNames(files, directory))
    journals.push(await replayJournal(files, join(directory, name)));
  return journals;
}

const TRACES: ReadonlySet<string> = new Set(['tile', SEALED_DIRECTORY]);

function broken(message: string): GatewayError {
  return new GatewayError('RECORD_BROKEN', message);
}
