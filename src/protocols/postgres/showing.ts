import type { Outbox } from './outbox.ts';
import type { Work } from './work.ts';

/**
 * What the client is shown of actions: passed on, counted, and the beginning of it kept for the record. Bytes that follow
 * one another in one buffer are one run, so that neither rows nor messages cost anything each.
 */
export class Showing {
  private readonly out: Outbox;
  private readonly sample_bytes_max: number;
  private work: Work | null = null;
  private buffer: Buffer = NOTHING;
  private start = 0;
  private end = -1;
  /** The action whose sample still points into what came last; earlier ones have been reported. */
  private unkept: Work | null = null;

  constructor(out: Outbox, sample_bytes_max: number) {
    this.out = out;
    this.sample_bytes_max = sample_bytes_max;
  }

  /** `buffer[start..end)` belongs to this action, or to none. */
  show(work: Work | null, buffer: Buffer, start = 0, end = buffer.length): void {
    if (work === null) {
      this.endRun();
      this.out.reply(buffer, start, end);
      return;
    }
    if (work !== this.work || buffer !== this.buffer || start !== this.end) {
      this.endRun();
      this.work = work;
      this.buffer = buffer;
      this.start = start;
    }
    this.end = end;
  }

  endRun(): void {
    if (this.work !== null) {
      this.work.shown(this.buffer, this.start, this.end, this.sample_bytes_max);
      this.unkept = this.work;
      this.out.reply(this.buffer, this.start, this.end);
      this.work = null;
      this.buffer = NOTHING;
    }
    this.end = -1;
  }

  /** The bytes that were shown belong to somebody else from now on. */
  endChunk(): void {
    this.endRun();
    this.unkept?.keep();
    this.unkept = null;
  }

  /** Writes the `result` entry of what an action has shown since the last one. */
  report(work: Work): void {
    this.endRun();
    const { rows, bytes, masked, error, tag } = work;
    if (this.unkept === work) this.unkept = null;
    if (work.reported && rows === 0 && error === null) {
      work.takeSample();
      return;
    }
    this.out.record({
      kind: 'result',
      of: work.entry,
      facts: { rows, bytes, masked, error, tag },
      sample: work.takeSample(),
    });
    work.reported = true;
    work.rows = work.bytes = work.masked = 0;
    work.error = null;
  }
}

const NOTHING = Buffer.alloc(0);
