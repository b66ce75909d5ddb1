import type { Verdict } from '../../core/verdict.ts';

/**
 * Actions of one pipeline that await the same cure, and everything that came between and after them: nothing of it is sent
 * before they are answered, then all of it in order (many Binds of one batch are one request to people, not a thousand).
 */
export class Batch {
  readonly keys: number[] = [];
  private readonly awaited = new Set<number>();
  private readonly items: Item[] = [];
  private readonly verdicts = new Map<number, Verdict>();

  /** An action that has to be asked for. `release` is told the answer in its turn, `dropped` that it has none any more. */
  ask(key: number, release: (verdict: Verdict) => void, dropped: (verdict: Verdict | null) => void): void {
    this.keys.push(key);
    this.awaited.add(key);
    this.items.push({
      run: () => {
        const verdict = this.verdicts.get(key);
        if (verdict !== undefined) release(verdict);
      },
      dropped: () => dropped(this.verdicts.get(key) ?? null),
    });
  }

  /** Something that has its clearance, or needs none, but comes behind what has not. */
  add(run: () => void, dropped: () => void): void {
    this.items.push({ run, dropped });
  }

  answer(key: number, verdict: Verdict): void {
    if (this.awaited.delete(key)) this.verdicts.set(key, verdict);
  }

  get answered(): boolean {
    return this.awaited.size === 0;
  }

  /** Does everything in order, up to where `stopped` says that the rest is dropped. */
  release(stopped: () => boolean): void {
    for (const { run, dropped } of this.items) {
      if (stopped()) dropped();
      else run();
    }
  }

  /** The pipeline has failed before any of it was sent. */
  drop(): void {
    for (const { dropped } of this.items) dropped();
  }
}

interface Item {
  readonly run: () => void;
  readonly dropped: () => void;
}
