import type { Proposal } from './names.ts';
import type { RowPlan } from './rows.ts';
import type { Portal, Prepared, Work } from './work.ts';

/** What a message sent to the target is answered with, by the kind of message. */
export type Awaited =
  | 'parse'
  | 'bind'
  | 'describe-statement'
  | 'describe-portal'
  | 'execute'
  | 'close'
  | 'sync'
  | 'query'
  | 'function-call';

/** One message that the target has been sent and will answer. */
export interface Expectation {
  readonly answers: Awaited;
  /**
   * `client`: the answer is the client's. `quiet`: success is swallowed, an error is the client's (a message of ours that
   * stands for one of the client's). `ours`: all of it is swallowed.
   */
  readonly owner: 'client' | 'quiet' | 'ours';
  /** The message was sent to fail in place of a refused one: this ErrorResponse takes the place of the server's. */
  readonly refusal: Buffer | null;
  readonly work: Work | null;
  readonly prepared: Prepared | null;
  readonly portal: Portal | null;
  readonly proposal: Proposal | null;
  /** Told about the answer to a message of ours. */
  readonly listener: Listener | null;
  /** Rows after which an Execute is cut off; -1 none. */
  readonly rows_max: number;
}

/** Who asked the target something of the gateway's own. */
export interface Listener {
  row(body: Buffer): void;
  /** Not succeeded: it failed or was skipped. */
  done(succeeded: boolean): void;
}

/** A message without anything particular; spread into the others when they are made, never per row. */
export function expect(answers: Awaited, more: Partial<Omit<Expectation, 'answers'>> = NOTHING_MORE): Expectation {
  return {
    answers,
    owner: more.owner ?? 'client',
    refusal: more.refusal ?? null,
    work: more.work ?? null,
    prepared: more.prepared ?? null,
    portal: more.portal ?? null,
    proposal: more.proposal ?? null,
    listener: more.listener ?? null,
    rows_max: more.rows_max ?? -1,
  };
}

/**
 * The one queue that knows what was sent to the target and whose answer comes next (manual, "Message Flow"). It knows one
 * rule of the server's: after an error in an extended message everything is discarded up to the next Sync, and that is
 * answered.
 */
export class Ledger {
  private queue: Expectation[] = [];
  private first = 0;
  /** The server is discarding messages, and the Sync that ends it has not been sent. */
  skipping = false;

  get length(): number {
    return this.queue.length - this.first;
  }

  get head(): Expectation | null {
    return this.queue[this.first] ?? null;
  }

  push(expectation: Expectation): void {
    if (this.skipping) {
      if (expectation.answers !== 'sync') {
        drop(expectation);
        return;
      }
      this.skipping = false;
    }
    this.queue.push(expectation);
  }

  /** The head has been answered. */
  advance(): void {
    this.first += 1;
    if (this.first === this.queue.length) {
      this.queue.length = 0;
      this.first = 0;
    } else if (this.first >= COMPACT_AT) {
      this.queue.splice(0, this.first);
      this.first = 0;
    }
  }

  /** The head, an extended message, has failed: the server discards what follows it, up to a Sync. Returns what it discards. */
  failToSync(): readonly Expectation[] {
    const dropped: Expectation[] = [];
    const failed = this.head;
    if (failed !== null) failed.proposal?.settle(false);
    this.advance();
    for (let next = this.head; next !== null && next.answers !== 'sync'; next = this.head) {
      drop(next);
      dropped.push(next);
      this.advance();
    }
    this.skipping = this.head === null;
    return dropped;
  }

  /** The connection is gone: nothing will be answered. */
  abandon(): readonly Expectation[] {
    const all = this.queue.slice(this.first);
    this.queue = [];
    this.first = 0;
    for (const expectation of all) drop(expectation);
    return all;
  }

  /** Whether anything the client asked for is at the target. */
  get working(): boolean {
    for (let at = this.first; at < this.queue.length; at++) {
      const expectation = this.queue[at];
      if (expectation !== undefined && expectation.work !== null) return true;
    }
    return false;
  }
}

/** How the rows that answer it are shown. */
export function planOf(head: Expectation): RowPlan | null {
  if (head.answers === 'execute') return head.portal?.plan ?? null;
  return head.work?.plan ?? null;
}

/** The work whose rows pass untouched, uncounted but for their number. */
export function flowingOf(head: Expectation): Work | null {
  if (head.answers !== 'execute' && head.answers !== 'query') return null;
  return head.rows_max === -1 && planOf(head)?.clear === true ? head.work : null;
}

function drop(expectation: Expectation): void {
  expectation.proposal?.settle(false);
  expectation.listener?.done(false);
}

/** Answered expectations are thrown away in blocks, so that a long pipeline costs nothing per message. */
const COMPACT_AT = 1_024;
const NOTHING_MORE = {};
