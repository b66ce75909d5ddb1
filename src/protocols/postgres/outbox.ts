import type { Clearance } from '../../core/verdict.ts';
import type { ConversationEntry, Effect } from '../protocol.ts';

/**
 * Gathers the effects of one event in three lanes: entries first, because what they tell of may not be complete at the
 * client before they are written; then what the client gets; then everything else, in order. Adjacent slices of one buffer
 * become one slice, so that an untouched answer is written as it came.
 */
export class Outbox {
  private entries: Effect[] = [];
  private replies: Uint8Array[] = [];
  private rest: Effect[] = [];
  private closing: Effect | null = null;
  private replyRun: Buffer = NOTHING;
  private replyStart = 0;
  private replyEnd = 0;
  private targetRun: Buffer = NOTHING;
  private targetStart = 0;
  private targetEnd = 0;
  private targetClearance: Clearance | null = null;

  record(entry: ConversationEntry): void {
    this.entries.push({ do: 'record', entry });
  }

  /** `buffer[start..end)` for the client. */
  reply(buffer: Buffer, start = 0, end = buffer.length): void {
    if (buffer === this.replyRun && start === this.replyEnd) {
      this.replyEnd = end;
      return;
    }
    this.endReplyRun();
    this.replyRun = buffer;
    this.replyStart = start;
    this.replyEnd = end;
  }

  /** Bytes for the target that carry no action of their own: they join what they follow. */
  relay(buffer: Buffer, start = 0, end = buffer.length): void {
    if (buffer === this.targetRun && start === this.targetEnd) {
      this.targetEnd = end;
      return;
    }
    this.endTargetRun();
    this.targetRun = buffer;
    this.targetStart = start;
    this.targetEnd = end;
  }

  /** Bytes of a cleared action for the target. */
  forward(clearance: Clearance, buffer: Buffer, start = 0, end = buffer.length): void {
    this.endTargetRun();
    this.targetRun = buffer;
    this.targetStart = start;
    this.targetEnd = end;
    this.targetClearance = clearance;
  }

  push(effect: Effect): void {
    this.endTargetRun();
    this.rest.push(effect);
  }

  /** Comes last, and once. */
  close(effect: Extract<Effect, { do: 'close' }>): void {
    this.closing ??= effect;
  }

  get closed(): boolean {
    return this.closing !== null;
  }

  take(): readonly Effect[] {
    this.endReplyRun();
    this.endTargetRun();
    const effects = this.entries;
    if (this.replies.length > 0) for (const bytes of joinSmall(this.replies)) effects.push({ do: 'reply', bytes });
    for (const effect of this.rest) effects.push(effect);
    if (this.closing !== null) effects.push(this.closing);
    this.entries = [];
    if (this.replies.length > 0) this.replies = [];
    if (this.rest.length > 0) this.rest = [];
    return effects;
  }

  private endReplyRun(): void {
    if (this.replyEnd > this.replyStart) this.replies.push(view(this.replyRun, this.replyStart, this.replyEnd));
    this.replyRun = NOTHING;
    this.replyStart = this.replyEnd = 0;
  }

  private endTargetRun(): void {
    if (this.targetEnd > this.targetStart) {
      const bytes = view(this.targetRun, this.targetStart, this.targetEnd);
      const clearance = this.targetClearance;
      this.rest.push(clearance === null ? { do: 'relay', bytes } : { do: 'forward', clearance, bytes });
    }
    this.targetRun = NOTHING;
    this.targetStart = this.targetEnd = 0;
    this.targetClearance = null;
  }
}

function view(buffer: Buffer, start: number, end: number): Buffer {
  return start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end);
}

/** A few short pieces cost less as one copy than as several writes. */
function joinSmall(pieces: Uint8Array[]): Uint8Array[] {
  if (pieces.length < 2) return pieces;
  let total = 0;
  for (const piece of pieces) total += piece.length;
  return total <= JOIN_BYTES_MAX ? [Buffer.concat(pieces, total)] : pieces;
}

const NOTHING = Buffer.alloc(0);
const JOIN_BYTES_MAX = 16 * 1024;
