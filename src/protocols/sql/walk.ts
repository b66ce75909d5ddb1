import type { Comparison } from '../../core/action.ts';
import type { Ctes, Lineage, Output, Scope } from './lineage.ts';
import type { Names } from './names.ts';
import { NotUnderstood, type Opened } from './nodes.ts';
import type { StatementPart } from './statement.ts';
import type { Tally } from './tally.ts';

/** How the value of an expression is used. */
export interface Place {
  /** What a column that stands here by itself is compared for. */
  readonly comparison: Comparison;
  /** A condition: comparisons in it say more exactly what they do. */
  readonly condition: boolean;
  /** In the AND-chain of the one WHERE of a text: an equality with one literal is a look-up. */
  readonly lookup: boolean;
  /** The values of literals here may change the classification. */
  readonly fixed: boolean;
}

/** What becomes of a query's output. */
export type Role =
  /** It goes to the client as it is: the query is a statement of its own. */
  | 'reveal'
  /** It goes somewhere that is not masked column by column: COPY, a cursor, an outer query. */
  | 'hidden'
  /** It is stored. */
  | 'assign'
  /** Only whether there is a row matters. */
  | 'exists'
  /** It is compared with other values. */
  | 'join';

/** The walkers, which call each other; bound together in analysis.ts. */
export interface Walk {
  readonly tally: Tally;
  readonly names: Names;
  /** The only statement of its text. */
  readonly alone: boolean;
  expression(node: unknown, scope: Scope, place: Place): Lineage;
  /** SELECT, VALUES, and data-modifying statements that return rows. */
  query(node: Opened, outer: Scope | null, ctes: Ctes | null, role: Role): Output;
  /** Any statement; what it is comes back. */
  statement(node: Opened): StatementPart;
  /** Runs one level deeper, or gives up. */
  deeper<T>(work: () => T): T;
}

/** Bounds the recursion of the walkers themselves. */
export class Depth {
  private depth = 0;
  private nodes = 0;
  private readonly depth_max: number;

  constructor(depth_max: number) {
    this.depth_max = depth_max;
  }

  deeper<T>(work: () => T): T {
    this.depth += 1;
    this.nodes += 1;
    if (this.depth > this.depth_max) throw new NotUnderstood(`the tree is deeper than ${this.depth_max}`);
    if (this.nodes > NODES_MAX) throw new NotUnderstood(`the tree takes more than ${NODES_MAX} steps to understand`);
    try {
      return work();
    } finally {
      this.depth -= 1;
    }
  }
}

/** Recursive CTEs are walked twice each, so steps are bounded beside the size of the text. */
const NODES_MAX = 1_000_000;

export const VALUE: Place = { comparison: 'function', condition: false, lookup: false, fixed: false };
export const CONDITION: Place = { comparison: 'range', condition: true, lookup: false, fixed: false };
export const LOOKUP: Place = { ...CONDITION, lookup: true };
export const JOIN: Place = { ...CONDITION, comparison: 'join' };
export const ORDER: Place = { ...VALUE, comparison: 'order', fixed: true };
export const GROUP: Place = { ...VALUE, comparison: 'group', fixed: true };
