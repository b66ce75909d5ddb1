import { MASK_KINDS, type MaskKind } from '../core/mask.ts';
import type { TypeClass } from './types.ts';

/**
 * What each kind gives in each class of types. This is the published table and the code at once: constants are encoded
 * from here, and where it says NULL, NULL is what comes.
 */
export type Gives =
  | { readonly gives: 'null' }
  /** Always this value, here in text form. */
  | { readonly gives: 'constant'; readonly text: string }
  /** Something made from the value; `says` describes it. */
  | { readonly gives: 'shape'; readonly says: string };

export function gives(type: TypeClass, kind: MaskKind): Gives {
  return MASK_TABLE[type][kind] ?? NULL;
}

/** The table as Markdown, one row for each class. */
export function renderMaskTable(): string {
  const kinds = MASK_KINDS.filter((kind) => kind !== 'null');
  const lines = [
    `| type | ${kinds.map((kind) => `\`${kind}\``).join(' | ')} |`,
    `|---|${kinds.map(() => '---|').join('')}`,
    // The keys of the table are the type classes: TypeScript widens them to string.
    ...(Object.keys(MASK_TABLE) as TypeClass[]).map(
      (type) => `| ${TYPE_NAMES[type]} | ${kinds.map((kind) => renderCell(gives(type, kind))).join(' | ')} |`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function renderCell(cell: Gives): string {
  if (cell.gives === 'null') return 'NULL';
  if (cell.gives === 'shape') return cell.says;
  return cell.text === '' ? 'empty' : `\`${cell.text}\``;
}

function constant(text: string): Gives {
  return { gives: 'constant', text };
}

function shape(says: string): Gives {
  return { gives: 'shape', says };
}

/** As many stars whatever was there, so that the length of a value says nothing. */
export const FULL = '******';
export const REDACTED = '[REDACTED]';

const NULL: Gives = { gives: 'null' };
const TOKEN = '22 characters';

const MASK_TABLE: Readonly<Record<TypeClass, Readonly<Partial<Record<MaskKind, Gives>>>>> = {
  text: {
    default: constant(''),
    redact: constant(REDACTED),
    full: constant(FULL),
    token: shape(TOKEN),
    email: shape('`a***@example.com`'),
    partial: shape('kept characters, `*` for each other'),
  },
  char: { default: constant(''), redact: constant('*'), full: constant('*') },
  integer: { default: constant('0'), token: shape('a positive number (int2: NULL)'), round: shape('rounded') },
  numeric: { default: constant('0'), token: shape('a positive whole number'), round: shape('rounded') },
  float: { default: constant('0'), round: shape('rounded') },
  bool: {},
  date: { default: constant('1970-01-01'), date_trunc: shape('truncated') },
  timestamp: { default: constant('1970-01-01 00:00:00'), date_trunc: shape('truncated') },
  timestamptz: { default: constant('1970-01-01 00:00:00+00'), date_trunc: shape('truncated, in UTC') },
  time: { default: constant('00:00:00') },
  timetz: { default: constant('00:00:00+00') },
  interval: { default: constant('00:00:00') },
  uuid: { default: constant('00000000-0000-0000-0000-000000000000'), token: shape('a UUID of version 8') },
  json: {
    default: constant('null'),
    redact: constant(`"${REDACTED}"`),
    full: constant(`"${FULL}"`),
    token: shape(`a string of ${TOKEN}`),
  },
  bytea: {
    default: constant('\\x'),
    redact: constant(`\\x${Buffer.from(REDACTED).toString('hex')}`),
    full: constant(`\\x${Buffer.from(FULL).toString('hex')}`),
    token: shape('16 bytes'),
  },
  xml: { redact: constant('<masked/>'), full: constant('<masked/>') },
  inet: { default: constant('0.0.0.0/32') },
  macaddr: { default: constant('00:00:00:00:00:00') },
  money: { default: constant('0') },
  oid: { default: constant('0') },
  bit: {},
  other: {},
};

const TYPE_NAMES: Readonly<Record<TypeClass, string>> = {
  text: 'text, varchar, char(n), name',
  char: '"char"',
  integer: 'smallint, integer, bigint',
  numeric: 'numeric',
  float: 'real, double precision',
  bool: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamp with time zone',
  time: 'time',
  timetz: 'time with time zone',
  interval: 'interval',
  uuid: 'uuid',
  json: 'json, jsonb',
  bytea: 'bytea',
  xml: 'xml',
  inet: 'inet, cidr',
  macaddr: 'macaddr',
  money: 'money',
  oid: 'oid',
  bit: 'bit, varbit',
  other: 'enum, array, composite, range, any other',
};
