import type { Action } from '../core/action.ts';
import type { Entity } from './closure.ts';
import { broken, type Question } from './question.ts';
import { CONTEXTS, type ContextAttribute } from './schema.ts';

/** Facts and documents that depend on one very action, asked for only when a rule reads them. */
export interface ActionFacts {
  fact(action: Action, name: string): unknown;
  document(action: Action, name: string): Entity | null;
}

export interface BuiltContext {
  readonly context: Readonly<Record<string, unknown>>;
  /** Documents the context refers to. */
  readonly entities: readonly Entity[];
}

export interface ContextOptions {
  readonly facts: ActionFacts | null;
  /** Labels that some rule names: what a run may have seen as long as nobody keeps count. */
  readonly labels: readonly string[];
}

/**
 * The context of a question. Only `reads` has to be there; a fact that is missing and read is a refusal, because no value
 * stands for "unknown" in every rule. With `whole`, Cedar checks the request against the schema, so the rest is filled with
 * values that nobody reads.
 */
export function buildContext(
  question: Question,
  reads: ReadonlySet<string>,
  whole: boolean,
  options: ContextOptions,
): BuiltContext {
  const attributes: Readonly<Record<string, ContextAttribute>> = CONTEXTS[question.action.context];
  const context: Record<string, unknown> = {};
  const entities: Entity[] = [];
  for (const [name, attribute] of Object.entries(attributes)) {
    const read = reads.has(name);
    if (!read && !whole) continue;
    const document = attribute.type === 'Document' ? documentOf(question, name, options) : null;
    if (document !== null) entities.push(document);
    const value =
      document === null ? typed(attribute.type, contextValue(question, name, options)) : { __entity: document.uid };
    if (value === undefined && read) throw broken(`a rule reads context.${name}, which is not known for this action`);
    context[name] = value ?? PLACEHOLDERS[attribute.type];
    if (value === undefined && attribute.type === 'Document') entities.push(NO_DOCUMENT);
  }
  return { context, entities };
}

function contextValue(question: Question, name: string, options: ContextOptions): unknown {
  const { action, given, opaque } = question.circumstances;
  const minute_ms = Math.floor(given.now / MINUTE_MS) * MINUTE_MS;
  switch (name) {
    case 'now':
      return { __extn: { fn: 'datetime', arg: new Date(minute_ms).toISOString() } };
    case 'minuteOfDay':
      return (minute_ms / MINUTE_MS) % MINUTES_PER_DAY;
    case 'weekday':
      return new Date(minute_ms).getUTCDay();
    case 'protocol':
      return action === null ? 'control' : action.protocol;
    case 'clientIp':
      return action === null ? undefined : address(action.session.clientAddress);
    case 'opaque':
      return opaque;
    case 'approvedBy':
      return given.approvedBy;
    case 'analyzedBy':
      return given.analyzedBy;
    case 'justification':
      return text(given.justification)?.trim();
    case 'rowsMax':
      return question.rows_max;
    case 'comparison':
      return question.comparison;
    case 'statement':
    case 'text':
      return action === null ? undefined : (readableText(action) ?? '');
    default:
      return name in UNKNOWN_YET ? UNKNOWN_YET[name] : name === 'seen' ? options.labels : fact(question, name, options);
  }
}

/** What the protocol knows of the statement: of its shape, else of this very action. */
function fact(question: Question, name: string, options: ContextOptions): unknown {
  const { action } = question.circumstances;
  if (action === null) return undefined;
  return action.classification.facts[FACT_NAMES[name] ?? name] ?? options.facts?.fact(action, name);
}

/** A fact of another type than the schema says is no fact. Objects of others never pass: Cedar interprets them. */
function typed(type: string, value: unknown): unknown {
  switch (type) {
    case 'Bool':
      return typeof value === 'boolean' ? value : undefined;
    case 'Long':
      return Number.isSafeInteger(value) ? value : undefined;
    case 'String':
      return text(value);
    case 'Set<String>':
      return Array.isArray(value) ? texts(value) : undefined;
    case 'Document':
      return undefined;
    default:
      // Made above, from nothing a client wrote.
      return value;
  }
}

function documentOf(question: Question, name: string, options: ContextOptions): Entity | null {
  const { action } = question.circumstances;
  return action === null ? null : (options.facts?.document(action, name) ?? null);
}

/** The text as far as a rule can read it; `null`: longer than that, or not UTF-8. */
export function readableText(action: Action): string | null {
  if (action.text.byteLength > TEXT_BYTES_MAX) return null;
  try {
    return DECODER.decode(action.text);
  } catch {
    return null;
  }
}

/** `10.0.0.1:5432`, `[::1]:5432`, `::ffff:10.0.0.1`, `fe80::1%eth0`: the address alone, as Cedar writes it. */
function address(client: unknown): unknown {
  if (typeof client !== 'string') return undefined;
  const bare = client.replace(/^\[([^\]]*)\](:\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  const plain = bare.replace(/%.*$/, '').replace(/^::ffff:(\d+\.\d+\.\d+\.\d+)$/i, '$1');
  return /^[0-9A-Fa-f:.]{2,45}$/.test(plain) && /[:.]/.test(plain) ? { __extn: { fn: 'ip', arg: plain } } : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.isWellFormed() ? value : undefined;
}

function texts(values: readonly unknown[]): readonly string[] | undefined {
  const all = values.filter((value) => text(value) !== undefined);
  // Every one of them is a text, by the line above.
  return all.length === values.length ? ([...new Set(all)].sort() as string[]) : undefined;
}

const MINUTE_MS = 60_000;
const MINUTES_PER_DAY = 1_440;
/** Facts that classifications know by another name. */
export const FACT_NAMES: Readonly<Record<string, string>> = { kinds: 'statement' };
export const TEXT_BYTES_MAX = 65_536;
/** Stands for "more than any rule allows"; also the row count that nothing limits. */
export const LARGEST = Number.MAX_SAFE_INTEGER;

/**
 * What nobody keeps count of yet, at its most restrictive: budgets are spent, nobody was ever present, a transaction is
 * open, the end user is unknown. `seen` is every label that rules name.
 */
const UNKNOWN_YET: Readonly<Record<string, unknown>> = {
  inTransaction: true,
  presenceSeconds: LARGEST,
  spent: { rows: LARGEST, bytes: LARGEST, statements: LARGEST, lookups: LARGEST, refusals: LARGEST },
  endUser: '',
  endUserProof: 'none',
};
const NO_DOCUMENT: Entity = { uid: { type: 'Document', id: 'none' }, attrs: { opaque: true }, parents: [], tags: {} };
const PLACEHOLDERS: Readonly<Record<string, unknown>> = {
  Long: 0,
  String: '',
  Bool: false,
  'Set<String>': [],
  ipaddr: { __extn: { fn: 'ip', arg: '0.0.0.0' } },
  Document: { __entity: NO_DOCUMENT.uid },
};
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
