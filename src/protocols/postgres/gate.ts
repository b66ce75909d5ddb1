import type { Verdict } from '../../core/verdict.ts';
import type { Batch } from './batch.ts';
import type { Work } from './work.ts';

/**
 * What has to come before the client's next message is dealt with:
 * a verdict; people's answer; a newer catalogue; the session's state; the answers that settle names; all answers; the end of
 * a cancel request; the target's word on whether a COPY has begun.
 */
export type Wait =
  | { readonly for: 'verdict'; readonly key: number; readonly resume: (verdict: Verdict) => void }
  | { readonly for: 'people'; readonly batch: Batch; readonly resume: () => void }
  | { readonly for: 'catalogue' | 'state' | 'names' | 'answers' | 'cancel'; readonly resume: () => void }
  | { readonly for: 'copy'; readonly work: Work; readonly resume: () => void };

/** At most one thing is waited for: the client's messages are dealt with in order. */
export class Gate {
  wait: Wait | null = null;

  get closed(): boolean {
    return this.wait !== null;
  }

  close(wait: Wait): void {
    if (this.wait !== null) throw new Error(`waiting for ${wait.for} while already waiting for ${this.wait.for}`);
    this.wait = wait;
  }

  /** What was waited for has come. Nothing, where something else is. */
  open(what: 'catalogue' | 'state' | 'names' | 'answers' | 'cancel' | 'copy'): void {
    const { wait } = this;
    if (wait === null || wait.for === 'verdict' || wait.for !== what) return;
    this.wait = null;
    wait.resume();
  }
}
