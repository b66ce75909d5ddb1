import type { Verdict } from '../../core/verdict.ts';
import type { Proposal } from './names.ts';

/**
 * Actions of one pipeline that await the same cure, and everything that came between and after them: nothing of it is sent
 * before they are answered, then all of it in order (many Binds of one batch are one request to people, not a thousand).
 */
export class Batch {
  readonly keys: number[] = [];
  private readonly items: Item[] = [];
  private readonly verdicts = new Map<number, Verdict>();

  /** An action that has to be asked for. `release` is told the answer in its turn. */
  ask(key: number, release: (verdict: Verdict) => void, proposal: Proposal | null): void {
    this.keys.push(key);
    this.items.push({
      run: () => {
        const verdict = this.verdicts.get(key);
        if (verdict !== undefined) release(verdict);
      },
      proposal,
    });
  }

  /** Something that has its clearance, or needs none, but comes behind what has not. */
  add(run: () => void, proposal: Proposal | null): void {
    this.items.push({ run, proposal });
  }

  answer(key: number, verdict: Verdict): void {
    if (this.keys.includes(key) && !this.verdicts.has(key)) this.verdicts.set(key, verdict);
  }

  get answered(): boolean {
    return this.verdicts.size === this.keys.length;
  }

  /** Does everything in order, up to where `stopped` says that the rest is dropped. */
  release(stopped: () => boolean): void {
    for (const { run, proposal } of this.items) {
      if (stopped()) proposal?.settle(false);
      else run();
    }
  }
}

interface Item {
  readonly run: () => void;
  readonly proposal: Proposal | null;
}
