import type { Action, Classification } from '../core/action.ts';

/**
 * What tail, search and exports may show of a text, where that is not the text itself. Whoever types
 * `where ssn = '123-45-6789'` puts the value into the record, refused or not: literals of a statement that compares or
 * assigns a labelled column are left out, all of them, because only the classifier knows which belongs to which.
 * The text itself stays in the sealed part. `null`: the text may be shown.
 */
export function shownText(action: Action, withoutLiterals: (text: Uint8Array) => string | null): string | null {
  if (!handlesLabelled(action.classification)) return null;
  return withoutLiterals(action.text) ?? WITHHELD;
}

function handlesLabelled(classification: Classification): boolean {
  let known = labelled.get(classification);
  if (known === undefined) {
    known = classification.uses.some(
      ({ use, column }) => (use === 'compare' || use === 'assign') && column.labels.length > 0,
    );
    labelled.set(classification, known);
  }
  return known;
}

const labelled = new WeakMap<Classification, boolean>();
const WITHHELD = '(withheld: it may hold values of classified columns)';
