import type { EntryIndex } from '../core/ids.ts';
import type { Clearance } from '../core/verdict.ts';

/**
 * A clearance is a value nobody can forge: only this class has the private field, and `spend` asks for it.
 * It is spent once. Only `decide.ts` imports `mint` (test/tidy.test.ts sees to it).
 */
class Cleared {
  readonly entry: EntryIndex;
  #spent = false;

  constructor(entry: EntryIndex) {
    this.entry = entry;
  }

  static spend(value: object): EntryIndex {
    if (!(#spent in value)) throw new Error('a clearance that the pipeline did not give');
    if (value.#spent) throw new Error(`the clearance of entry ${value.entry} was spent before`);
    value.#spent = true;
    return value.entry;
  }
}

export function mint(entry: EntryIndex): Clearance {
  // `Clearance` is a name for this class that shows nothing of it; this is the one place where the two meet.
  return new Cleared(entry) as unknown as Clearance;
}

/** The entry whose bytes may pass now. Throws for anything else than an unspent clearance: a bug, not an input. */
export function spend(clearance: Clearance): EntryIndex {
  return Cleared.spend(clearance);
}
