import type { EntryIndex } from '../core/ids.ts';

/** What the verifier says. `audit verify` prints it and exits with `exitCode`. */
export interface VerifyReport {
  /** What lies there is exactly what the checkpoint signs, and every sealed field is the one committed to. */
  readonly whole: boolean;
  /** 0 whole; 1 not whole, or not anchored where that was required; 2 nothing there to verify. */
  readonly exitCode: 0 | 1 | 2;
  readonly origin: string | null;
  readonly size: number;
  readonly root: string | null;
  /** The lowest entry known to be bad. */
  readonly firstBad: EntryIndex | null;
  readonly problems: readonly Problem[];
  /** Problems beyond those listed. */
  readonly problemsMore: number;
  /** Entries in the journal that follow the checkpoint: written, not signed yet. */
  readonly unsigned: number;
  /** Whether a checkpoint kept elsewhere was given and is consistent. Else nobody can say whether the tail was cut off. */
  readonly anchored: boolean;
  readonly sealed: SealedCount;
  /** Worth knowing, and no fault. */
  readonly notes: readonly string[];
}

export interface SealedCount {
  readonly fits: number;
  readonly absent: number;
  readonly locked: number;
  readonly broken: number;
}

export interface Problem {
  readonly kind: 'checkpoint' | 'entry' | 'tile' | 'chain' | 'anchor' | 'journal' | 'sealed' | 'stray';
  readonly entry: EntryIndex | null;
  readonly path: string | null;
  readonly message: string;
}

/** Gathers problems as they are found, the first ones in full. */
export class Findings {
  readonly problems: Problem[] = [];
  readonly notes: string[] = [];
  more = 0;
  firstBad: EntryIndex | null = null;

  bad(problem: Problem): void {
    if (problem.entry !== null && (this.firstBad === null || problem.entry < this.firstBad))
      this.firstBad = problem.entry;
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
    else this.more += 1;
  }

  entry(entry: EntryIndex, message: string, path: string | null = null): void {
    this.bad({ kind: 'entry', entry, path, message });
  }

  tile(path: string, message: string): void {
    this.bad({ kind: 'tile', entry: null, path, message });
  }

  note(text: string): void {
    if (this.notes.length < NOTES_MAX) this.notes.push(text);
  }

  get clean(): boolean {
    return this.problems.length === 0;
  }
}

const PROBLEMS_MAX = 100;
const NOTES_MAX = 20;
