import type { EntryIndex, SessionId } from '../core/ids.ts';
import type { LogEntry } from './entry.ts';
import type { Frame } from './frame.ts';
import { sha256 } from './hash.ts';
import type { FileSystem } from './ports.ts';
import { type Opened, SealedStore } from './sealed.ts';
import type { Findings, SealedCount } from './verify-report.ts';

/** Checks the sealed part of every entry against what the entry commits to, where that part is there. */
export class SealedVerifier {
  readonly #store: SealedStore;
  readonly #journalled: ReadonlyMap<EntryIndex, Frame>;
  readonly #findings: Findings;
  readonly #sessions = new Map<SessionId | null, ReadonlyMap<EntryIndex, Frame>>();
  readonly #damaged = new Set<SessionId | null>();
  readonly #count = { fits: 0, absent: 0, locked: 0, broken: 0 };

  constructor(
    files: FileSystem,
    directory: string,
    sessionKeys: string | null,
    journalled: ReadonlyMap<EntryIndex, Frame>,
    findings: Findings,
  ) {
    this.#store = new SealedStore(files, directory, sessionKeys);
    this.#journalled = journalled;
    this.#findings = findings;
  }

  get count(): SealedCount {
    return this.#count;
  }

  async check(index: EntryIndex, entry: LogEntry): Promise<void> {
    const frames = await this.#session(entry.session);
    const stored = frames.get(index) ?? this.#journalled.get(index);
    if (stored === undefined) {
      this.#count.absent += 1;
      return;
    }
    const plain = stored.encrypted ? this.#store.decrypt(entry.session, index, stored.stored) : stored.stored;
    if (plain === null) {
      this.#count.locked += 1;
      return;
    }
    const fits = sha256(plain).toString('hex') === entry.commitment;
    const state = fits ? await this.#opens(entry.session, index, plain, stored.encrypted) : 'broken';
    this.#count[state] += 1;
    if (state === 'broken')
      this.#bad(index, `the sealed fields of entry ${index}, or a blob of theirs, are not those it commits to`);
  }

  async finish(size: EntryIndex): Promise<void> {
    for (const session of this.#damaged)
      this.#bad(null, `the file of sealed fields of session ${session ?? 'none'} is damaged`);
    if (this.#count.absent > 0)
      this.#findings.note(
        `the sealed fields of ${this.#count.absent} of ${size} entries are not there: erased, or not copied`,
      );
  }

  async #opens(session: SessionId | null, index: EntryIndex, plain: Buffer, encrypted: boolean): Promise<Opened['is']> {
    try {
      return (await this.#store.open(session, index, plain, encrypted)).is;
    } catch {
      return 'broken';
    }
  }

  async #session(session: SessionId | null): Promise<ReadonlyMap<EntryIndex, Frame>> {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    const { frames, rest } = await this.#store.load(session);
    // What a crash has torn is whole in the journal until the next start has mended it.
    if (rest === 'damaged' || (rest === 'torn' && this.#journalled.size === 0)) this.#damaged.add(session);
    if (this.#sessions.size >= SESSIONS_OPEN_MAX) this.#sessions.delete(this.#sessions.keys().next().value ?? null);
    this.#sessions.set(session, frames);
    return frames;
  }

  #bad(entry: EntryIndex | null, message: string): void {
    this.#findings.bad({ kind: 'sealed', entry, path: null, message });
  }
}

const SESSIONS_OPEN_MAX = 64;
