import { join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import type { EntryIndex } from '../core/ids.ts';
import { readHashes, readTile, splitBundle } from './bundle.ts';
import { type LogEntry, parseEntry } from './entry.ts';
import { machineFiles } from './files.ts';
import type { Frame } from './frame.ts';
import { HASH_BYTES } from './hash.ts';
import { isKnownName, standing, tileFiles } from './layout.ts';
import { Localizer } from './localize.ts';
import { type Checkpoint, openCheckpoint, parseVerifierKey, type VerifierKey } from './note.ts';
import type { FileSystem } from './ports.ts';
import { CHECKPOINT } from './publisher.ts';
import { computedTile, type Recomputed, recompute } from './recompute.ts';
import { replayAll } from './state.ts';
import { levels, tileCount, tilePath, tileWidth } from './tiles.ts';
import type { Tree } from './tree.ts';
import { Findings, type VerifyReport } from './verify-report.ts';
import { SealedVerifier } from './verify-sealed.ts';

export interface VerifyOptions {
  /** The log's directory, `data_dir/audit` or a copy of it. Nothing else is needed, and nothing is written. */
  readonly directory: string;
  readonly vkey: string;
  /** Checkpoints kept elsewhere, as their text. */
  readonly since?: readonly string[];
  readonly requireAnchor?: boolean;
  /** Opens encrypted sealed fields as well; without it they are counted as locked. */
  readonly sessionKeys?: string;
  readonly onProgress?: (entries: number, size: number) => void;
  readonly files?: FileSystem;
}

/** Proves, offline and with the public key alone, that what lies in a directory is what its checkpoint signs. */
export async function verifyLog(options: VerifyOptions): Promise<VerifyReport> {
  const files = options.files ?? machineFiles;
  const findings = new Findings();
  let key: VerifierKey;
  try {
    key = parseVerifierKey(options.vkey);
  } catch (error) {
    return unusable(findings, messageOf(error));
  }
  if ((await files.list(options.directory)).length === 0)
    return unusable(findings, 'there is nothing in this directory');
  const checkpoint = await ownCheckpoint(files, options.directory, key, findings);
  if (checkpoint === null) return report(findings, { exitCode: 1 });
  return new Verification(files, options, key, checkpoint, findings).run();
}

class Verification {
  readonly #files: FileSystem;
  readonly #options: VerifyOptions;
  readonly #directory: string;
  readonly #key: VerifierKey;
  readonly #checkpoint: Checkpoint;
  readonly #findings: Findings;
  readonly #sealed: SealedVerifier;
  readonly #journalled = new Map<EntryIndex, Frame>();
  readonly #roots = new Map<number, Buffer>();
  #at = 0;

  constructor(files: FileSystem, options: VerifyOptions, key: VerifierKey, checkpoint: Checkpoint, findings: Findings) {
    this.#files = files;
    this.#options = options;
    this.#directory = options.directory;
    this.#key = key;
    this.#checkpoint = checkpoint;
    this.#findings = findings;
    this.#sealed = new SealedVerifier(
      files,
      options.directory,
      options.sessionKeys ?? null,
      this.#journalled,
      findings,
    );
  }

  async run(): Promise<VerifyReport> {
    const { size, root, origin } = this.#checkpoint;
    const unsigned = await this.#journal();
    const since = this.#anchors();
    const recomputed = await recompute(this.#files, this.#directory, size, this.#findings, (index, bytes, before) =>
      this.#visit(index, bytes, before, since),
    );
    if (recomputed.root !== null) this.#remember(size, recomputed.root, since);
    if (recomputed.root?.equals(root) === true) await this.#compareTiles(recomputed);
    else await new Localizer(this.#files, this.#directory, recomputed, this.#findings).run(root);
    if (recomputed.root?.equals(root) === false && this.#findings.clean) {
      this.#findings.bad({
        kind: 'checkpoint',
        entry: null,
        path: CHECKPOINT,
        message: 'the entries do not make the root that is signed',
      });
    }
    const anchored = this.#judgeAnchors(since);
    await this.#otherFiles();
    await this.#sealed.finish(size);
    const whole = this.#findings.clean;
    const isAnchorMissing = this.#options.requireAnchor === true && !anchored;
    if (!anchored)
      this.#findings.note('tail not anchored: whether entries were cut off after a later checkpoint cannot be said');
    return report(this.#findings, {
      exitCode: whole && !isAnchorMissing ? 0 : 1,
      origin,
      size,
      root: root.toString('hex'),
      unsigned,
      anchored,
      sealed: this.#sealed.count,
    });
  }

  /** How many whole entries follow the checkpoint in the journal. */
  async #journal(): Promise<number> {
    const { size } = this.#checkpoint;
    let next = size;
    for (const { frames, rest, restBytes, end } of await replayAll(this.#files, this.#directory)) {
      for (const frame of frames) {
        this.#journalled.set(frame.index, frame);
        if (frame.index === next) next += 1;
        else if (frame.index > next)
          this.#bad('journal', frame.index, `entry ${frame.index} is journalled, entry ${next} is not`);
      }
      if (rest === 'torn')
        this.#findings.note(`the journal ends inside an entry (${restBytes.length} bytes), as a crash leaves it`);
      if (rest === 'damaged')
        this.#bad('journal', next, `the journal is damaged at byte ${end}, after ${next} entries`);
    }
    return next - size;
  }

  async #visit(index: EntryIndex, bytes: Buffer, before: Tree, since: readonly Anchor[]): Promise<void> {
    if (index % PROGRESS_ENTRIES === 0) this.#options.onProgress?.(index, this.#checkpoint.size);
    if (before.size === index) {
      for (const { checkpoint } of since) if (checkpoint.size === index) this.#roots.set(index, before.root());
    }
    const journalled = this.#journalled.get(index);
    if (journalled !== undefined && !journalled.leaf.subarray(1).equals(bytes)) {
      this.#bad('journal', index, `entry ${index} in the journal is not the one in the tree`);
    }
    let entry: LogEntry;
    try {
      entry = parseEntry(bytes);
    } catch (error) {
      this.#bad('entry', index, `entry ${index}: ${messageOf(error)}`);
      return;
    }
    this.#follow(index, entry, before);
    await this.#sealed.check(index, entry);
  }

  /** What an entry says of its own place. */
  #follow(index: EntryIndex, entry: LogEntry, before: Tree): void {
    if (entry.seq !== index) this.#bad('chain', index, `entry ${index} calls itself ${entry.seq}`);
    if (entry.at < this.#at) this.#bad('chain', index, `entry ${index} is older than the one before it`);
    this.#at = entry.at;
    if (index === 0 && entry.kind !== 'gateway-start')
      this.#bad('chain', 0, 'the log does not begin with a start of the gateway');
    if (entry.kind !== 'gateway-start' || before.size !== index) return;
    const { previous_size, previous_root } = entry.facts;
    if (previous_size !== index || previous_root !== before.root().toString('hex')) {
      this.#bad('chain', index, `the start at entry ${index} does not follow the ${index} entries before it`);
    }
  }

  /** The entries are proved; the tiles are what others read, so they must be the same. */
  async #compareTiles(recomputed: Recomputed): Promise<void> {
    const { size } = recomputed;
    for (const index of recomputed.differing) {
      this.#findings.tile(
        tilePath({ kind: 0, index, width: tileWidth(size, 0, index) }),
        'its hashes are not those of the entries, or it is missing',
      );
    }
    for (let level = 1; level < levels(size); level += 1) {
      for (let index = 0; index < tileCount(size, level); index += 1) {
        const stored = await readHashes(this.#files, this.#directory, size, level, index);
        const computed = computedTile(recomputed, level, index);
        if (stored !== null && computed?.equals(stored) === true) continue;
        this.#findings.tile(
          tilePath({ kind: level, index, width: tileWidth(size, level, index) }),
          'its hashes are not those of the entries, or it is missing',
        );
      }
    }
  }

  #anchors(): readonly Anchor[] {
    const anchors: Anchor[] = [];
    for (const [number, text] of (this.#options.since ?? []).entries()) {
      try {
        anchors.push({ number, checkpoint: openCheckpoint(text, this.#key) });
      } catch (error) {
        this.#bad('anchor', null, `the checkpoint kept elsewhere (${number}) is not usable: ${messageOf(error)}`);
      }
    }
    return anchors;
  }

  #remember(size: number, root: Buffer, since: readonly Anchor[]): void {
    for (const { checkpoint } of since) if (checkpoint.size === size) this.#roots.set(size, root);
  }

  #judgeAnchors(since: readonly Anchor[]): boolean {
    let consistent = 0;
    for (const { checkpoint } of since) {
      const { size, root } = checkpoint;
      if (size > this.#checkpoint.size) {
        this.#bad(
          'anchor',
          this.#checkpoint.size,
          `a checkpoint kept elsewhere was signed for ${size} entries, there are ${this.#checkpoint.size}: the tail was cut off`,
        );
      } else if (this.#roots.get(size)?.equals(root) !== true) {
        this.#bad(
          'anchor',
          null,
          `the first ${size} entries are not those that a checkpoint kept elsewhere was signed for`,
        );
      } else consistent += 1;
    }
    return consistent > 0 && consistent === (this.#options.since ?? []).length;
  }

  async #otherFiles(): Promise<void> {
    for (const { name } of await this.#files.list(this.#directory)) {
      if (!isKnownName(name)) this.#findings.note(`'${name}' is no part of a log`);
      if (name.startsWith('pending.cut-'))
        this.#findings.note(`'${name}' holds what a start found after damage in the journal`);
    }
    const vkey = await this.#files.readWhole(join(this.#directory, 'vkey'));
    if (vkey !== null && Buffer.from(vkey).toString().trim() !== this.#key.text) {
      this.#findings.bad({
        kind: 'stray',
        entry: null,
        path: 'vkey',
        message: 'the key in the directory is not the key given',
      });
    }
    let beyond = 0;
    for await (const path of tileFiles(this.#files, this.#directory)) {
      const found = standing(path, this.#checkpoint.size);
      if (found.is === 'beyond') beyond += 1;
      else if (found.is === 'stray')
        this.#findings.bad({ kind: 'stray', entry: null, path, message: 'no name of a tile' });
      else if (found.is === 'older') await this.#compareOlder(path, found.tile.kind, found.tile.index);
    }
    if (beyond > 0) this.#findings.note(`${beyond} files beyond the checkpoint, which it does not cover`);
  }

  /** A partial tile of an earlier size is the beginning of the present one. */
  async #compareOlder(path: string, kind: 'entries' | number, index: number): Promise<void> {
    const older = Buffer.from((await this.#files.readWhole(join(this.#directory, path))) ?? new Uint8Array(0));
    const present = await readTile(this.#files, this.#directory, this.#checkpoint.size, kind, index);
    const width = Number(path.slice(path.lastIndexOf('/') + 1));
    const isCut =
      kind === 'entries'
        ? splitBundle(older).entries.length !== width || splitBundle(older).rest > 0
        : older.length !== width * HASH_BYTES;
    if (!isCut && present?.bytes.subarray(0, older.length).equals(older) === true) return;
    this.#findings.tile(path, 'it is not the beginning of the tile that took its place');
  }

  #bad(kind: 'entry' | 'chain' | 'anchor' | 'journal', entry: EntryIndex | null, message: string): void {
    this.#findings.bad({ kind, entry, path: null, message });
  }
}

interface Anchor {
  readonly number: number;
  readonly checkpoint: Checkpoint;
}

async function ownCheckpoint(
  files: FileSystem,
  directory: string,
  key: VerifierKey,
  findings: Findings,
): Promise<Checkpoint | null> {
  const note = await files.readWhole(join(directory, CHECKPOINT));
  try {
    if (note === null) throw new GatewayError('RECORD_BROKEN', 'there is no checkpoint');
    return openCheckpoint(Buffer.from(note).toString(), key);
  } catch (error) {
    findings.bad({ kind: 'checkpoint', entry: null, path: CHECKPOINT, message: messageOf(error) });
    return null;
  }
}

function unusable(findings: Findings, message: string): VerifyReport {
  findings.bad({ kind: 'checkpoint', entry: null, path: null, message });
  return report(findings, { exitCode: 2 });
}

function report(findings: Findings, known: Partial<VerifyReport> & { readonly exitCode: 0 | 1 | 2 }): VerifyReport {
  return {
    whole: findings.clean,
    origin: null,
    size: 0,
    root: null,
    firstBad: findings.firstBad,
    problems: findings.problems,
    problemsMore: findings.more,
    unsigned: 0,
    anchored: false,
    sealed: { fits: 0, absent: 0, locked: 0, broken: 0 },
    notes: findings.notes,
    ...known,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown failure';
}

const PROGRESS_ENTRIES = 10_000;
