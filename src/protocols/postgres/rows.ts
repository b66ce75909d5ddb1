import { GatewayError } from '../../core/errors.ts';
import type { Mask } from '../../core/verdict.ts';
import type { CellMask, ConversationContext } from '../protocol.ts';
import type { Catalogue, Column, Relation } from '../sql/catalogue.ts';
import type { Statement } from '../sql/statement.ts';
import type { Field } from './messages.ts';
import { stricterMask } from './work.ts';

/** How the rows of one result are shown: by cell, what to show instead; `null` leaves a cell as it is. */
export interface RowPlan {
  readonly cells: readonly (CellMask | null)[];
  /** No cell is touched: rows pass as they come, and are not looked into. */
  readonly clear: boolean;
}

/** What a plan is made from, besides the fields. */
export interface RowRules {
  readonly statement: Statement;
  /** By column id; empty where the action passes unmasked. */
  readonly masks: ReadonlyMap<string, Mask>;
  readonly catalogue: Catalogue;
  /** The session has made relations of its own, which the catalogue need not have. */
  readonly madeObjects: boolean;
  readonly context: Pick<ConversationContext, 'cellMask'>;
}

/**
 * Masking is by origin: RowDescription names the table and attribute of every plain column, through views as the view's own
 * column. What the classification did not say would be revealed is hidden, whatever the reason.
 * `formats` are those of Bind where the description is of a statement, which knows none (manual, Describe); else `null`.
 */
export function compileRows(fields: readonly Field[], formats: readonly number[] | null, rules: RowRules): RowPlan {
  const cells: (CellMask | null)[] = [];
  let clear = true;
  for (const [index, field] of fields.entries()) {
    const format = formats === null ? field.format : (formats[formats.length === 1 ? 0 : index] ?? 0);
    const cell = compileCell(field, format, rules);
    if (cell !== null) clear = false;
    cells.push(cell);
  }
  return { cells, clear };
}

function compileCell(field: Field, format: number, rules: RowRules): CellMask | null {
  const shown = field.tableOid === 0 ? shownComputed(rules) : shownColumn(field, rules);
  if (shown === 'clear') return null;
  if (shown === 'hidden') return hide;
  const { typeOid, typeModifier } = field;
  return rules.context.cellMask(shown.mask, { typeOid, typeModifier, format, column: shown.column });
}

type Shown = 'clear' | 'hidden' | { readonly mask: Mask; readonly column: string };

/** A computed output has no origin: what goes into any of them decides for all. */
function shownComputed({ statement, masks }: RowRules): Shown {
  if (masks.size === 0) return 'clear';
  for (const column of statement.computedFrom) if (masks.has(column)) return { mask: FULL, column };
  return 'clear';
}

function shownColumn(field: Field, rules: RowRules): Shown {
  const relation = rules.catalogue.relationByOid(field.tableOid);
  if (relation === null) return shownUnknown(rules);
  // System columns (tableoid, ctid, xmin, …) tell where a row lies and nothing that stands in it.
  if (field.column < 0) return 'clear';
  if (field.column === 0) return shownWholeRow(relation, rules);
  const column = relation.columns.get(field.column);
  return column === undefined ? 'hidden' : shownPlain(column, rules);
}

/**
 * Of a relation the catalogue does not have, such as a temporary table or one made in this transaction: what it holds is
 * unknown. It is shown to the session that makes such things, or where the statement was permitted as one that is not
 * understood; and only while nothing in it is masked, for it may have been filled from there.
 */
function shownUnknown({ statement, masks, madeObjects }: RowRules): Shown {
  const expected = statement.classification.clarity !== 'parsed' || (madeObjects && statement.unknownNames.length > 0);
  return expected && masks.size === 0 ? 'clear' : 'hidden';
}

/** A reference to the row itself: it shows all its columns or nothing. */
function shownWholeRow(relation: Relation, rules: RowRules): Shown {
  const { computedFrom, revealed } = rules.statement;
  for (const column of relation.columns.values()) {
    const known = named(column, computedFrom, rules) || named(column, revealed, rules);
    if (!known || maskOf(column, rules) !== null) return 'hidden';
  }
  return 'clear';
}

/**
 * A column with an origin. The server names that of the first arm of a set operation, and looks through subqueries: what the
 * classification calls computed may hold anything that goes into a computed column, whatever origin stands there.
 */
function shownPlain(column: Column, rules: RowRules): Shown {
  const { revealed, computedFrom } = rules.statement;
  const computed = named(column, computedFrom, rules) ? shownComputed(rules) : null;
  if (computed === null && !named(column, revealed, rules)) return 'hidden';
  if (computed !== null && computed !== 'clear') return computed;
  const mask = maskOf(column, rules);
  if (mask === null) return 'clear';
  // An expression of what it comes from: shape-keeping masks would keep the shape of that.
  return { mask: column.computed ? stricterMask(mask, FULL) : mask, column: column.resource.id };
}

/** The strictest mask on the column or on anything it comes from. */
function maskOf(column: Column, { masks, catalogue }: RowRules): Mask | null {
  if (masks.size === 0) return null;
  let mask = masks.get(column.resource.id) ?? null;
  for (const source of column.sources) {
    const id = catalogue.relationByOid(source.relation)?.columns.get(source.column)?.resource.id;
    const other = id === undefined ? null : (masks.get(id) ?? null);
    if (other !== null) mask = mask === null ? other : stricterMask(mask, other);
  }
  return mask;
}

/** Whether the set holds the column, or everything it comes from. */
function named(column: Column, ids: ReadonlySet<string>, { catalogue }: RowRules): boolean {
  if (ids.has(column.resource.id)) return true;
  if (column.sources.length === 0) return false;
  return column.sources.every((source) => {
    const id = catalogue.relationByOid(source.relation)?.columns.get(source.column)?.resource.id;
    return id !== undefined && ids.has(id);
  });
}

/**
 * Rewrites rows into one buffer, taken for a whole chunk at once: what stands between masked cells is copied in one piece,
 * and no cell is looked at that no mask names.
 */
export class RowWriter {
  buffer: Buffer = NOTHING;
  /** The row that was written last: `buffer[start..end)`. */
  start = 0;
  end = 0;
  /** Cells that were replaced in it. */
  masked = 0;

  /** Room for the rows of a chunk of that length. What was written before lies elsewhere and stays. */
  begin(chunk_bytes: number): void {
    this.buffer = Buffer.allocUnsafe(chunk_bytes + (chunk_bytes >> 2) + ROOM_BYTES);
    this.start = this.end = 0;
  }

  /** `source[from..to)` is a whole DataRow with its header. Throws TARGET_MISBEHAVED when it is not what was described. */
  write(source: Buffer, from: number, to: number, plan: RowPlan): void {
    const { cells } = plan;
    this.start = this.end;
    this.masked = 0;
    this.copy(source, from, from + ROW_HEADER_BYTES, to);
    if (source.readUInt16BE(from + COUNT_OFFSET) !== cells.length) throw misshapen('has another number of columns');
    let copied = from + ROW_HEADER_BYTES;
    let at = copied;
    for (const cell of cells) {
      if (at + LENGTH_BYTES > to) throw misshapen('ends inside a row');
      const length = source.readInt32BE(at);
      const next = at + LENGTH_BYTES + Math.max(length, 0);
      if (next > to || length < -1) throw misshapen('has a value longer than its row');
      if (cell !== null && length >= 0) {
        this.copy(source, copied, at, to);
        this.cell(cell(source.subarray(at + LENGTH_BYTES, next)), to - next);
        copied = next;
      }
      at = next;
    }
    if (at !== to) throw misshapen('has bytes behind its values');
    this.copy(source, copied, to, to);
    this.buffer.writeInt32BE(this.end - this.start - 1, this.start + 1);
  }

  private cell(value: Buffer | null, behind_bytes: number): void {
    this.masked += 1;
    const length = value === null ? 0 : value.length;
    this.room(LENGTH_BYTES + length + behind_bytes);
    this.end = this.buffer.writeInt32BE(value === null ? -1 : length, this.end);
    if (value === null) return;
    this.buffer.set(value, this.end);
    this.end += length;
  }

  private copy(source: Buffer, from: number, to: number, end: number): void {
    this.room(end - from);
    this.end += source.copy(this.buffer, this.end, from, to);
  }

  /** What was written before this row has been given away with its buffer: only the row itself moves. */
  private room(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length, (this.end - this.start + bytes) * 2));
    this.end = this.buffer.copy(larger, 0, this.start, this.end);
    this.start = 0;
    this.buffer = larger;
  }
}

function misshapen(problem: string): GatewayError {
  return new GatewayError('TARGET_MISBEHAVED', `the target sent a row that ${problem}`);
}

const hide: CellMask = () => null;
const FULL: Mask = { kind: 'full' };
const NOTHING = Buffer.alloc(0);
/** Tag, length, column count (manual, DataRow). */
const ROW_HEADER_BYTES = 7;
const COUNT_OFFSET = 5;
const LENGTH_BYTES = 4;
const ROOM_BYTES = 1_024;
