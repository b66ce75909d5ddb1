import type { EntryIndex } from '../../core/ids.ts';
import type { Mask, Obligation } from '../../core/verdict.ts';
import type { Statement } from '../sql/statement.ts';
import type { Field } from './messages.ts';
import type { RowPlan } from './rows.ts';

/** A prepared statement of the client's, as the server has it. */
export interface Prepared {
  readonly name: string;
  readonly text: Buffer;
  readonly parameterTypes: readonly number[];
  /** Made by SQL's PREPARE: `text` is that statement's, and `statement` what it prepares. */
  readonly sql: boolean;
  /** What the text was when it was last looked at, … */
  statement: Statement;
  /** … and under which meaning of names (`Meaning.version`). */
  meaning: number;
  /** What its rows are, once the server has said so; under which meaning. `null`: not known. */
  fields: readonly Field[] | null;
  fieldsMeaning: number;
  /** The plan made of `fields` last, for the result formats it was made for. */
  plan: {
    readonly fields: readonly Field[];
    readonly formats: string;
    readonly statement: Statement;
    readonly rows: RowPlan;
  } | null;
}

/** A bound statement: what an Execute runs. */
export interface Portal {
  readonly name: string;
  readonly prepared: Prepared;
  readonly resultFormats: readonly number[];
  /** `null` while it is not cleared. */
  work: Work | null;
  /** How its rows are shown. `null`: not known, then no row passes. */
  plan: RowPlan | null;
  /** A Describe of it is on the way, so that its plan will be known before its rows come. */
  described: boolean;
  /** Rows it may still show; -1: no limit. */
  rows_left: number;
}

/** In the `result` entry of an action that was discarded because an earlier one of its pipeline failed. */
export const SKIPPED = 'skipped';

export function newPrepared(
  name: string,
  text: Buffer,
  parameterTypes: readonly number[],
  statement: Statement,
  meaning: number,
): Prepared {
  return { name, text, parameterTypes, sql: false, statement, meaning, fields: null, fieldsMeaning: -1, plan: null };
}

export function newPortal(name: string, prepared: Prepared, resultFormats: readonly number[]): Portal {
  return { name, prepared, resultFormats, work: null, plan: null, described: false, rows_left: -1 };
}

/** One cleared action on its way through the target, and what came of it. */
export class Work {
  readonly entry: EntryIndex;
  readonly statement: Statement;
  readonly text: Buffer;
  readonly obligations: readonly Obligation[];
  readonly masks: ReadonlyMap<string, Mask>;
  /** Rows it may show at most, and the rule that says so; -1: no limit. */
  readonly rows_max: number;
  readonly kind: 'query' | 'bind' | 'function-call';
  /** Texts that the target says about it may hold what is masked. */
  guarded: boolean;
  /** How the rows of the present result are shown (simple protocol). */
  plan: RowPlan | null = null;
  rows = 0;
  bytes = 0;
  masked = 0;
  error: string | null = null;
  tag = '';
  /** Statements of the text that have completed. */
  completed = 0;
  /** Its result entry has been written, or there is none to write. */
  reported = false;
  /** Where it was cut off: the rows shown before. */
  cut = false;
  private readonly pieces: Buffer[] = [];
  private kept_bytes = 0;
  /** Pieces that are copies of our own. */
  private owned = 0;

  constructor(
    kind: Work['kind'],
    entry: EntryIndex,
    text: Buffer,
    statement: Statement,
    obligations: readonly Obligation[],
  ) {
    this.kind = kind;
    this.entry = entry;
    this.text = text;
    this.statement = statement;
    this.obligations = obligations;
    this.masks = masksOf(obligations);
    this.rows_max = rowsMaxOf(obligations);
    this.guarded = this.masks.size > 0;
  }

  /** Something that is masked goes into its output; other masks are for what an error or notice may quote. */
  get showsMasked(): boolean {
    const { revealed, computedFrom } = this.statement;
    for (const id of this.masks.keys()) if (revealed.has(id) || computedFrom.has(id)) return true;
    return false;
  }

  /** Counts bytes the client sees, and keeps the first ones for the record: as they lie, until `keep` copies them. */
  shown(buffer: Buffer, start: number, end: number, sample_bytes_max: number): void {
    this.bytes += end - start;
    const room = sample_bytes_max - this.kept_bytes;
    if (room <= 0 || end === start) return;
    const length = Math.min(room, end - start);
    this.pieces.push(buffer.subarray(start, start + length));
    this.kept_bytes += length;
  }

  /** The bytes shown so far are about to be overwritten. */
  keep(): void {
    for (; this.owned < this.pieces.length; this.owned++) {
      this.pieces[this.owned] = Buffer.from(this.pieces[this.owned] ?? NOTHING);
    }
  }

  /** What was kept so far; it starts again afterwards, for a portal's next rows. */
  takeSample(): Buffer {
    const sample =
      this.pieces.length === 1 && this.pieces[0] !== undefined ? this.pieces[0] : Buffer.concat(this.pieces);
    this.pieces.length = 0;
    this.owned = 0;
    return sample;
  }
}

function masksOf(obligations: readonly Obligation[]): ReadonlyMap<string, Mask> {
  let masks: Map<string, Mask> | null = null;
  for (const obligation of obligations) {
    if (obligation.kind !== 'mask') continue;
    masks ??= new Map();
    const present = masks.get(obligation.column.id);
    masks.set(obligation.column.id, present === undefined ? obligation.mask : stricterMask(present, obligation.mask));
  }
  return masks ?? NO_MASKS;
}

function rowsMaxOf(obligations: readonly Obligation[]): number {
  let rows_max = -1;
  for (const obligation of obligations) {
    if (obligation.kind !== 'limit-rows') continue;
    rows_max = rows_max === -1 ? obligation.rows_max : Math.min(rows_max, obligation.rows_max);
  }
  return rows_max;
}

/** Several masks on one value: the strictest; of two alike, the one that keeps less. */
export function stricterMask(one: Mask, other: Mask): Mask {
  const difference = STRICTNESS[one.kind] - STRICTNESS[other.kind];
  if (difference !== 0) return difference > 0 ? one : other;
  if (one.kind === 'partial' && other.kind === 'partial') {
    const keep_first = Math.min(one.keep_first, other.keep_first);
    return { kind: 'partial', keep_first, keep_last: Math.min(one.keep_last, other.keep_last) };
  }
  // Rounded and truncated alike, or by different means: neither may be undone by the other.
  return one.kind === other.kind && sameMask(one, other) ? one : { kind: 'full' };
}

function sameMask(one: Mask, other: Mask): boolean {
  if (one.kind === 'round' && other.kind === 'round') return one.digits === other.digits;
  if (one.kind === 'date_trunc' && other.kind === 'date_trunc') return one.unit === other.unit;
  return one.kind === other.kind;
}

const STRICTNESS: Readonly<Record<Mask['kind'], number>> = {
  null: 7,
  default: 6,
  redact: 5,
  full: 4,
  token: 3,
  round: 2,
  date_trunc: 2,
  email: 1,
  partial: 0,
};
const NOTHING = Buffer.alloc(0);
const NO_MASKS: ReadonlyMap<string, Mask> = new Map();
