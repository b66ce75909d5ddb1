import { join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import type { EntryIndex } from '../core/ids.ts';
import { LIMITS, type Limits } from '../core/limits.ts';
import { parseEntry } from './entry.ts';
import { machineFiles } from './files.ts';
import { type Frame, indexOf } from './frame.ts';
import { sha256 } from './hash.ts';
import type { FrameRun } from './held.ts';
import { Journal, journalNames, type Replayed } from './journal.ts';
import { writeDurably } from './keys.ts';
import { lockDirectory } from './lock.ts';
import { AuditLog, BARE, type Durability, type LogAlert, lockPath } from './log.ts';
import { indexSessions } from './offline.ts';
import type { Clock, DirectoryLock, FileSystem } from './ports.ts';
import { Publisher } from './publisher.ts';
import { LogReader } from './reader.ts';
import { isNoSpace, Reserve } from './reserve.ts';
import { SealedStore } from './sealed.ts';
import { SessionIndex } from './session-index.ts';
import type { Envelope } from './stage.ts';
import { beginOrFind, loadPublished, replayAll } from './state.ts';

export interface LogOptions {
  /** `data_dir/audit`. */
  readonly directory: string;
  /** `data_dir/keys/log.key`; made at the first start. */
  readonly keyFile: string;
  /** `data_dir/keys/sessions`: keys of sealed sessions. */
  readonly sessionKeys: string;
  /** The log's name on every checkpoint: a URL without its scheme. */
  readonly origin: string;
  readonly clock: Clock;
  readonly durability?: Durability;
  readonly limits?: Limits;
  /** Whether the sealed fields of an entry are encrypted under its session's key. */
  readonly seals?: (envelope: Envelope) => boolean;
  readonly alert?: (alert: LogAlert) => void;
  readonly files?: FileSystem;
  readonly lock?: (path: string) => DirectoryLock;
}

/**
 * Opens the log for writing, or refuses: RECORD_LOCKED when another process has it, RECORD_BROKEN when what lies there
 * is not what its checkpoint signs. What an earlier process had written and not published is published first.
 */
export async function openLog(options: LogOptions): Promise<AuditLog> {
  const files = options.files ?? machineFiles;
  await files.makeDirectory(options.directory);
  const lock = (options.lock ?? lockDirectory)(lockPath(options.directory));
  try {
    return await openLocked(options, files, lock);
  } catch (error) {
    lock.release();
    if (error instanceof GatewayError || !(error instanceof Error) || !('syscall' in error)) throw error;
    throw new GatewayError('RECORD_UNAVAILABLE', `the record cannot be opened: ${error.message}`);
  }
}

async function openLocked(options: LogOptions, files: FileSystem, lock: DirectoryLock): Promise<AuditLog> {
  const { directory } = options;
  const limits = options.limits ?? LIMITS;
  const signer = await beginOrFind(files, directory, options.keyFile, options.origin);
  const sealed = new SealedStore(files, directory, options.sessionKeys);
  const publisher = new Publisher(files, directory, signer, await loadPublished(files, directory, signer.verifier));
  const reserve = await Reserve.open(files, join(directory, 'reserve'), limits.reserve_bytes);
  const replay = sequence(await replayAll(files, directory), publisher.size);
  const finish = async () => {
    await finishReplay(files, directory, publisher, sealed, replay);
    return Journal.begin(files, directory, limits.journal_bytes_max);
  };
  const journal = await finish().catch((error: unknown) => {
    // The reserve is there for just this: what was written before must not wait for space.
    if (!isNoSpace(error) || !reserve.release('last')) throw error;
    return finish();
  });
  if (!reserve.whole) await reserve.refill();
  journal.sparing = reserve.whole;
  await journal.prepare();
  const sessions = new SessionIndex(limits.sessions_indexed_max);
  const nothing = {
    size: () => publisher.size,
    published: () => publisher.size,
    leaf: () => null,
    stored: async () => null,
  };
  const published = new LogReader(files, directory, sealed, nothing);
  const lastAt = await indexSessions(published, sessions, Math.max(0, publisher.size - limits.index_entries_max));
  return new AuditLog({
    files,
    directory,
    durability: options.durability ?? 'writes',
    limits,
    clock: options.clock,
    vkey: signer.verifier.text,
    lock,
    journal,
    publisher,
    reserve,
    sealed,
    sessions,
    lastAt,
    recovered: [...replay.recovered, ...orphans(sessions)],
    seals: options.seals ?? (() => false),
    alert: options.alert ?? (() => undefined),
  });
}

interface Replay {
  /** Whole frames by journal, in order; those below the tree's size matter for their sealed parts only. */
  readonly journals: readonly { readonly bytes: Buffer; readonly frames: readonly Frame[] }[];
  /** What cannot be an entry, by the journal it lies in; kept aside, because somebody may want to know. */
  readonly cut: readonly Buffer[];
  readonly next: EntryIndex;
  readonly recovered: readonly Recovered[];
}

type Recovered = Omit<Envelope, 'at'>;

/** Puts what the journals hold into one row. Nothing can follow a gap, because an index says where an entry belongs. */
function sequence(journals: readonly Replayed[], published: EntryIndex): Replay {
  const kept: { bytes: Buffer; frames: readonly Frame[] }[] = [];
  const cut: Buffer[] = [];
  let next = published;
  let torn_bytes = 0;
  for (const { bytes, frames: found, restBytes, rest } of journals) {
    const gap = found.findIndex(
      (frame, number) => frame.index > (number === 0 ? next : (found[number - 1]?.index ?? 0) + 1),
    );
    const usable = gap < 0 ? found : found.slice(0, gap);
    if (usable.length > 0) kept.push({ bytes, frames: usable });
    next = Math.max(next, (usable.at(-1)?.index ?? -1) + 1);
    for (const frame of gap < 0 ? [] : found.slice(gap)) cut.push(frame.stored, frame.leaf);
    // The last write of a process that was killed: nobody was told that it had been written.
    if (rest === 'torn') torn_bytes += restBytes.length;
    else if (rest === 'damaged') cut.push(restBytes);
  }
  if (kept.length === 0 && cut.length === 0 && torn_bytes === 0) return { journals: kept, cut, next, recovered: [] };
  const cutBytes = Buffer.concat(cut);
  const sizes = { entries: next - published, torn_bytes, cut_bytes: cutBytes.length };
  const facts = cutBytes.length === 0 ? {} : { cut_digest: sha256(cutBytes).toString('hex') };
  return { journals: kept, cut, next, recovered: [{ ...BARE, kind: 'recovered', sizes, facts }] };
}

/** Publishes what was written, moves its sealed parts, and only then lets the journals go. May be done again. */
async function finishReplay(
  files: FileSystem,
  directory: string,
  publisher: Publisher,
  sealed: SealedStore,
  replay: Replay,
): Promise<void> {
  if (replay.cut.length > 0)
    await writeDurably(files, join(directory, `pending.cut-${replay.next}`), Buffer.concat(replay.cut));
  const runs = replay.journals.map(({ bytes, frames }) => runOf(bytes, frames));
  const unpublished = runs.map((run) => after(run, publisher.size)).filter(({ from, to }) => from < to);
  if (unpublished.length > 0) await publisher.publish(unpublished);
  for (const [number, run] of runs.entries()) {
    for (const [place, frame] of (replay.journals[number]?.frames ?? []).entries())
      await sealed.dropTorn(run.sessions[place] ?? null, frame);
  }
  await sealed.appendAll(runs);
  for (const name of await journalNames(files, directory)) await files.remove(join(directory, name));
  await files.syncDirectory(directory);
}

function runOf(bytes: Buffer, frames: readonly Frame[]): FrameRun {
  return {
    bytes,
    from: 0,
    to: frames.length,
    starts: frames.map(({ offset }) => offset),
    leaves: frames.map(({ end, leaf }) => end - leaf.length),
    ends: frames.map(({ end }) => end),
    sessions: frames.map(({ leaf }) => parseEntry(leaf.subarray(1)).session),
  };
}

/** The frames of entries that a tree of `size` does not have. A later journal begins with nothing of an earlier one. */
function after(run: FrameRun, size: EntryIndex): FrameRun {
  const from = run.starts.findIndex((start) => indexOf(run.bytes, start) >= size);
  return { ...run, from: from < 0 ? run.to : from };
}

/** Sessions that an earlier process never ended: it was killed, and how their last action ended is not known. */
function orphans(sessions: SessionIndex): readonly Recovered[] {
  // Who was refused at the door left entries as well, and nothing that could have ended.
  const begun = sessions.list({ live: true }).filter(({ startedAt, forwarded }) => startedAt !== null || forwarded > 0);
  return begun.map((session) => ({
    ...BARE,
    kind: 'recovered',
    session: session.id,
    run: session.run,
    principal: session.principal,
    target: session.target,
    of: session.entries.at(-1) ?? null,
    facts: { result: session.forwarded > session.results ? 'unknown' : 'known' },
  }));
}
