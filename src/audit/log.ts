import { join } from 'node:path';
import { GatewayError } from '../core/errors.ts';
import type { EntryIndex, SessionId } from '../core/ids.ts';
import type { Limits } from '../core/limits.ts';
import { Attachments } from './attachments.ts';
import { EntryComposer } from './composer.ts';
import type { LogEntry } from './entry.ts';
import { FrameWriter, type Written } from './frame.ts';
import { GroupSync } from './group-sync.ts';
import { Held } from './held.ts';
import type { Journal } from './journal.ts';
import { Live, type LiveFilter, type LiveListener } from './live.ts';
import type { Clock, DirectoryLock, FileSystem } from './ports.ts';
import type { Publisher } from './publisher.ts';
import { LogReader } from './reader.ts';
import { isNoSpace, type Reserve } from './reserve.ts';
import type { SealedStore } from './sealed.ts';
import type { SessionIndex } from './session-index.ts';
import type { Crossing, Envelope, RecordStage, Sealed } from './stage.ts';
import { weigh } from './weight.ts';

/** `writes`: reads cross once written, everything else once synced. `strict`: all once synced. `batched`: all once written. */
export type Durability = 'writes' | 'strict' | 'batched';

export interface LogAlert {
  readonly code: 'RECORD_UNAVAILABLE' | 'RECORD_BROKEN';
  readonly message: string;
}

export interface LogStatus {
  readonly size: number;
  /** Entries that the checkpoint covers. */
  readonly published: number;
  readonly synced: number;
  readonly journalBytes: number;
  readonly accepting: boolean;
  readonly full: boolean;
  /** Why nothing is recorded any more, or `null`. */
  readonly failure: string | null;
}

/** What an opened log is made of; `openLog` puts it together. */
export interface LogParts {
  readonly files: FileSystem;
  readonly directory: string;
  readonly durability: Durability;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly vkey: string;
  readonly lock: DirectoryLock;
  readonly journal: Journal;
  readonly publisher: Publisher;
  readonly reserve: Reserve;
  readonly sealed: SealedStore;
  readonly lastAt: number;
  readonly sessions: SessionIndex;
  /** What a replay found worth an entry; nothing after a clean stop. */
  readonly recovered: readonly Omit<Envelope, 'at'>[];
  readonly seals: (envelope: Envelope) => boolean;
  readonly alert: (alert: LogAlert) => void;
}

export class AuditLog implements RecordStage {
  readonly vkey: string;
  readonly reader: LogReader;
  readonly sessions: SessionIndex;
  readonly #parts: LogParts;
  readonly #attachments: Attachments;
  readonly #composer: EntryComposer;
  readonly #groupSync: GroupSync;
  readonly #live: Live;
  /** Entries leave it when a checkpoint covers them and their sessions' files have their sealed parts. */
  readonly #held: Held;
  #unpublished_bytes = 0;
  #next: EntryIndex;
  #at: number;
  #started = false;
  readonly #recovered: Omit<Envelope, 'at'>[];
  #full: boolean;
  #failure: GatewayError | null = null;
  #closed = false;
  #publishing: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #journalNumber: number;
  #journalSince: number;
  /** Entries before this one are in their sessions' files. */
  #retired: EntryIndex;
  #unsignedSince: number | null = null;

  constructor(parts: LogParts) {
    this.#parts = parts;
    this.vkey = parts.vkey;
    this.#next = parts.publisher.size;
    this.#at = parts.lastAt;
    this.#full = !parts.reserve.whole;
    this.#journalNumber = parts.journal.number;
    this.#journalSince = parts.clock.now();
    this.#retired = parts.publisher.size;
    this.#attachments = new Attachments(parts.files);
    const writer = new FrameWriter();
    this.#held = new Held(parts.publisher.size, (slab) => writer.recycle(slab));
    this.#composer = new EntryComposer(writer, parts.sealed, this.#attachments, parts.limits);
    this.sessions = parts.sessions;
    this.#recovered = [...parts.recovered];
    this.#live = new Live(parts.limits.live_entries_max);
    this.reader = new LogReader(parts.files, parts.directory, parts.sealed, {
      size: () => this.#next,
      published: () => parts.publisher.size,
      leaf: (index) => (index < parts.publisher.size ? null : this.#held.leaf(index)),
      stored: async (index) => this.#held.stored(index),
    });
    const sync = async () => {
      await this.#attachments.sync();
      await parts.journal.sync();
    };
    this.#groupSync = new GroupSync(this.#next, sync, parts.limits.sync_interval_ms, (failure) => this.#fail(failure));
    this.#schedule();
  }

  append(envelope: Envelope, sealed: Sealed): EntryIndex {
    const isStart = envelope.kind === 'gateway-start';
    if (this.#started && isStart) throw new Error('the gateway has started already');
    const start = this.#started
      ? -1
      : this.#start(isStart ? envelope : { ...BARE, kind: 'gateway-start', at: envelope.at }, isStart ? sealed : {});
    for (let one = this.#recovered[0]; one !== undefined; one = this.#recovered[0]) {
      this.#append({ ...one, at: envelope.at }, {});
      this.#recovered.shift();
    }
    return isStart ? start : this.#append(envelope, sealed);
  }

  durable(entry: EntryIndex, crossing: Crossing): Promise<void> | undefined {
    if (entry >= this.#next) throw new Error(`entry ${entry} of ${this.#next} was never written`);
    const { durability } = this.#parts;
    if (durability === 'batched' || (durability === 'writes' && crossing === 'read')) {
      return this.#failure === null ? undefined : Promise.reject(this.#failure);
    }
    return this.#groupSync.wait(entry);
  }

  accepting(): boolean {
    return (
      this.#failure === null &&
      !this.#closed &&
      !this.#full &&
      this.#unpublished_bytes < this.#parts.limits.unpublished_bytes_max &&
      this.#held.bytes < HELD_FACTOR * this.#parts.limits.unpublished_bytes_max &&
      (this.#unsignedSince === null ||
        this.#parts.clock.now() - this.#unsignedSince < this.#parts.limits.unsigned_ms_max)
    );
  }

  /** Signs all that has been appended, and returns the checkpoint. */
  async checkpoint(): Promise<string> {
    const upTo = this.#next;
    while (this.#parts.publisher.size < upTo) await this.#publish(false);
    return this.#parts.publisher.checkpoint;
  }

  /** The newest signed checkpoint, as it is. */
  get signed(): string {
    return this.#parts.publisher.checkpoint;
  }

  status(): LogStatus {
    return {
      size: this.#next,
      published: this.#parts.publisher.size,
      synced: this.#groupSync.synced,
      journalBytes: this.#parts.journal.bytes,
      accepting: this.accepting(),
      full: this.#full,
      failure: this.#failure?.message ?? null,
    };
  }

  /** Hears of entries as they are appended. Returns what ends it. */
  subscribe(filter: LiveFilter, listener: LiveListener): () => void {
    return this.#live.subscribe(filter, listener);
  }

  /** Erases what was said and done in a session that has ended. Its entries stay, and the tree stays whole. */
  async erase(session: SessionId): Promise<void> {
    await this.#publish(true);
    await this.#parts.sealed.erase(session);
    this.reader.forget();
  }

  /** Signs what is left, empties the journal and lets the directory go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.journal.sparing = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    try {
      if (this.#failure === null) await this.#publish(true);
    } finally {
      this.#groupSync.stop();
      await this.#parts.journal.close().catch(() => undefined);
      await this.#parts.reserve.close().catch(() => undefined);
      this.#parts.lock.release();
    }
  }

  /** Every run of the gateway begins with an entry that names the tree it found, so no whole run can vanish. */
  #start(envelope: Envelope, sealed: Sealed): EntryIndex {
    const { publisher } = this.#parts;
    const facts = { ...envelope.facts, previous_size: publisher.size, previous_root: publisher.root.toString('hex') };
    const start = this.#append({ ...envelope, facts }, sealed);
    this.#started = true;
    return start;
  }

  #append(envelope: Envelope, sealed: Sealed): EntryIndex {
    if (this.#failure !== null) throw this.#failure;
    if (this.#closed) throw new GatewayError('RECORD_UNAVAILABLE', 'the record is closed');
    const weight = weigh(envelope);
    if (weight === 'passage' && !this.accepting()) {
      throw new GatewayError(
        'RECORD_UNAVAILABLE',
        this.#full ? 'the disk of the record is full' : 'the record accepts nothing that would pass',
      );
    }
    const seq = this.#next;
    const at = Math.max(envelope.at, this.#at);
    const place = { seq, at, clock: at === envelope.at ? null : envelope.at };
    for (;;) {
      try {
        const written = this.#composer.compose(envelope, sealed, place, this.#parts.seals(envelope));
        this.#parts.journal.append(seq, written);
        this.#appended(envelope, sealed, place, written);
        return seq;
      } catch (error) {
        if (isNoSpace(error) && this.#release(weight)) continue;
        if (error instanceof Error && 'syscall' in error) {
          throw new GatewayError('RECORD_UNAVAILABLE', `the record could not be written: ${error.message}`);
        }
        throw error;
      }
    }
  }

  #appended(
    envelope: Envelope,
    sealed: Sealed,
    place: { seq: number; at: number; clock: number | null },
    written: Written,
  ): void {
    this.#next = place.seq + 1;
    this.#at = place.at;
    this.#held.add(place.seq, written, envelope.session);
    this.#unpublished_bytes += written.length;
    this.#groupSync.written(place.seq);
    this.sessions.add(place.seq, place.at, envelope);
    if (!this.#live.watched) return;
    const entry: LogEntry = { ...envelope, v: 1, ...place, cut: {}, commitment: '' };
    this.#live.publish(entry, sealed);
  }

  /** Gives up as much of the reserve as an entry is worth. */
  #release(weight: ReturnType<typeof weigh>): boolean {
    if (!this.#full) {
      this.#full = true;
      this.#parts.journal.sparing = false;
      this.#parts.alert({
        code: 'RECORD_UNAVAILABLE',
        message: 'the disk of the record is full: nothing passes any more',
      });
    }
    if (weight === 'passage') return false;
    const { reserve } = this.#parts;
    return reserve.release('first') || (weight === 'ending' && reserve.release('last'));
  }

  #fail(failure: GatewayError): void {
    this.#failure ??= failure;
    this.#parts.alert({ code: 'RECORD_UNAVAILABLE', message: failure.message });
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      const { publisher, journal } = this.#parts;
      const idle = publisher.size === this.#next && journal.bytes === 0 && !journal.retiring && !this.#full;
      const done = idle || this.#failure !== null ? Promise.resolve() : this.#publish(false).catch(() => undefined);
      void done.then(() => this.#schedule());
    }, this.#parts.limits.publish_interval_ms);
    this.#timer.unref();
  }

  /** One at a time; `retire` also empties the journal. */
  async #publish(retire: boolean): Promise<void> {
    while (this.#publishing !== null) await this.#publishing.catch(() => undefined);
    this.#publishing = this.#publishNow(retire);
    try {
      await this.#publishing;
      this.#unsignedSince = null;
    } catch (error) {
      this.#publishFailed(error);
      throw error;
    } finally {
      this.#publishing = null;
    }
  }

  #publishFailed(error: unknown): void {
    if (this.#unsignedSince === null) {
      this.#unsignedSince = this.#parts.clock.now();
      const message = error instanceof Error ? error.message : 'unknown failure';
      this.#parts.alert({ code: 'RECORD_UNAVAILABLE', message: `no checkpoint could be signed: ${message}` });
    }
    if (isNoSpace(error)) this.#release('passage');
    // A checkpoint that is not what was signed is no matter of trying again.
    if (error instanceof GatewayError && error.code === 'RECORD_BROKEN') this.#fail(error);
  }

  async #publishNow(retire: boolean): Promise<void> {
    const { journal, publisher, sealed, limits, clock } = this.#parts;
    this.#watchJournal();
    if (journal.bytes > 0 && (retire || this.#isRetirementDue(limits, clock.now()))) await journal.rotate();
    const retireTo = journal.closedEnd;
    const upTo = this.#next;
    if (upTo > publisher.size) {
      const bytes = this.#unpublished_bytes;
      await publisher.publish(this.#held.runs(publisher.size, upTo));
      this.#unpublished_bytes -= bytes;
    }
    if (journal.retiring) {
      await sealed.appendAll(this.#held.runs(this.#retired, retireTo));
      await journal.drop(retireTo);
      this.#held.release(retireTo);
      this.#retired = retireTo;
    }
    if (this.#full && (await this.#parts.reserve.refill())) this.#full = false;
    journal.sparing = !this.#full && !this.#closed;
    await journal.prepare();
  }

  /** A journal's age is that of the file that is being written. */
  #watchJournal(): void {
    const { journal, clock } = this.#parts;
    if (journal.number === this.#journalNumber) return;
    this.#journalNumber = journal.number;
    this.#journalSince = clock.now();
  }

  #isRetirementDue(limits: Limits, now: number): boolean {
    return this.#parts.journal.bytes >= limits.journal_bytes_max || now - this.#journalSince >= limits.journal_age_ms;
  }
}

export const BARE: Omit<Envelope, 'kind' | 'at'> = {
  session: null,
  run: null,
  principal: null,
  target: null,
  verb: null,
  resources: [],
  verdict: null,
  rules: [],
  sizes: {},
  of: null,
  facts: {},
};

/** What has been published may wait for its session's file as well, and takes as much memory as what has not. */
const HELD_FACTOR = 2;

export function lockPath(directory: string): string {
  return join(directory, 'lock');
}
