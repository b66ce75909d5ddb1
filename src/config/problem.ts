/** Something in the configuration that somebody has to change, and where it stands. */
export interface Problem {
  readonly file: string;
  /** From 1; `null` where the whole file is meant. */
  readonly line: number | null;
  readonly column: number | null;
  /** The keys that lead there: `targets[0].credential.user`. Empty: the whole file. */
  readonly path: string;
  /** What is wrong, with the values; never a secret. */
  readonly message: string;
}

/** `sallyport.yaml:12:5: targets[0].tls: …`, the form editors and terminals make clickable. */
export function describeProblem(problem: Problem): string {
  const position = problem.line === null ? '' : `:${problem.line}:${problem.column ?? 1}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  return `${problem.file}${position}: ${path}${problem.message}`;
}

export function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort(
    (one, other) =>
      compare(one.file, other.file) ||
      (one.line ?? 0) - (other.line ?? 0) ||
      (one.column ?? 0) - (other.column ?? 0) ||
      compare(one.message, other.message),
  );
}

export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? String(key) : `.${String(key)}`;
  }
  return text;
}

/** The known name nearest to a misspelt one, if any is near enough to be meant. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** Levenshtein's distance, with swapped neighbours as one mistake; words above 64 characters are no typing mistake. */
function editDistance(one: string, other: string): number {
  if (one.length > 64 || other.length > 64) return 64;
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    rows.push(current);
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1];
      let least = Math.min(at(row - 1, column - 1) + (same ? 0 : 1), at(row - 1, column) + 1, at(row, column - 1) + 1);
      const swapped = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      if (swapped) least = Math.min(least, at(row - 2, column - 2) + 1);
      current.push(least);
    }
  }
  return at(one.length, other.length);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
