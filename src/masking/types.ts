/**
 * What a PostgreSQL type is to a mask. Types are known by OID (pg_type.dat), which PostgreSQL never changes for its own
 * types. Everything else is `other`: enums, arrays, composites, ranges and the types of extensions have OIDs that only a
 * database knows. A domain arrives as its base type (RowDescription resolves it).
 */
export type TypeClass =
  | 'text'
  | 'char'
  | 'integer'
  | 'numeric'
  | 'float'
  | 'bool'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'time'
  | 'timetz'
  | 'interval'
  | 'uuid'
  | 'json'
  | 'bytea'
  | 'xml'
  | 'inet'
  | 'macaddr'
  | 'money'
  | 'oid'
  | 'bit'
  | 'other';

export interface PostgresType {
  readonly name: string;
  readonly class: TypeClass;
}

export function postgresType(oid: number): PostgresType {
  return TYPES.get(oid) ?? OTHER;
}

/** How many characters a value may have, or `null` where nothing is declared: `varchar(11)` is 11. */
export function declaredCharacters(type: PostgresType, modifier: number): number | null {
  if (type.name !== 'varchar' && type.name !== 'bpchar') return null;
  return modifier >= VARHDRSZ ? modifier - VARHDRSZ : null;
}

/** `numeric(precision, scale)`; since PostgreSQL 15 the scale is eleven bits, signed (numeric.c, make_numeric_typmod). */
export function declaredPrecision(modifier: number): { readonly precision: number; readonly scale: number } | null {
  if (modifier < VARHDRSZ) return null;
  const packed = modifier - VARHDRSZ;
  return { precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 };
}

/** Type modifiers of variable-length types count the header of four bytes. */
const VARHDRSZ = 4;
const OTHER: PostgresType = { name: 'other', class: 'other' };

const TYPES: ReadonlyMap<number, PostgresType> = new Map([
  [16, { name: 'bool', class: 'bool' }],
  [17, { name: 'bytea', class: 'bytea' }],
  [18, { name: 'char', class: 'char' }],
  [19, { name: 'name', class: 'text' }],
  [20, { name: 'int8', class: 'integer' }],
  [21, { name: 'int2', class: 'integer' }],
  [23, { name: 'int4', class: 'integer' }],
  [25, { name: 'text', class: 'text' }],
  [26, { name: 'oid', class: 'oid' }],
  [114, { name: 'json', class: 'json' }],
  [142, { name: 'xml', class: 'xml' }],
  [650, { name: 'cidr', class: 'inet' }],
  [700, { name: 'float4', class: 'float' }],
  [701, { name: 'float8', class: 'float' }],
  [790, { name: 'money', class: 'money' }],
  [829, { name: 'macaddr', class: 'macaddr' }],
  [869, { name: 'inet', class: 'inet' }],
  [1042, { name: 'bpchar', class: 'text' }],
  [1043, { name: 'varchar', class: 'text' }],
  [1082, { name: 'date', class: 'date' }],
  [1083, { name: 'time', class: 'time' }],
  [1114, { name: 'timestamp', class: 'timestamp' }],
  [1184, { name: 'timestamptz', class: 'timestamptz' }],
  [1186, { name: 'interval', class: 'interval' }],
  [1266, { name: 'timetz', class: 'timetz' }],
  [1560, { name: 'bit', class: 'bit' }],
  [1562, { name: 'varbit', class: 'bit' }],
  [1700, { name: 'numeric', class: 'numeric' }],
  [2950, { name: 'uuid', class: 'uuid' }],
  [3802, { name: 'jsonb', class: 'json' }],
]);
