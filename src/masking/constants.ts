import { declaredCharacters, type PostgresType } from './types.ts';

/** A constant of the table as the server would send it in this type and format; `null` where it does not fit. */
export function encodeConstant(type: PostgresType, text: string, modifier: number, binary: boolean): Buffer | null {
  if (type.class === 'text') return Buffer.from(fitText(text, type, modifier));
  if (!binary) return Buffer.from(text);
  const encode = BINARY[type.name];
  return encode === undefined ? null : encode(text);
}

/** Cut to the declared length; `char(n)` is padded to it, as the server sends it. */
export function fitText(ascii: string, type: PostgresType, modifier: number): string {
  const declared = declaredCharacters(type, modifier);
  if (declared === null) return ascii;
  const cut = ascii.slice(0, declared);
  return type.name === 'bpchar' && declared <= PADDING_MAX ? cut.padEnd(declared, ' ') : cut;
}

function zeros(bytes: number): () => Buffer {
  return () => Buffer.alloc(bytes);
}

function asIs(text: string): Buffer {
  return Buffer.from(text);
}

function jsonb(text: string): Buffer {
  return Buffer.concat([JSONB_VERSION, Buffer.from(text)]);
}

function epoch(): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(-946_684_800_000_000n);
  return bytes;
}

/** jsonb_send: one byte of version before the text. */
export const JSONB_VERSION = Buffer.of(1);
/** An empty char(10485760) is not worth ten megabytes a cell: the server pads what it reads. */
const PADDING_MAX = 4096;

/** By type name. Dates count from 2000-01-01: 1970-01-01 is 10,957 days and 946,684,800 seconds earlier (timestamp.h). */
const BINARY: Readonly<Record<string, (text: string) => Buffer>> = {
  char: (text) => (text === '' ? Buffer.of(0) : Buffer.from(text)),
  int2: zeros(2),
  int4: zeros(4),
  int8: zeros(8),
  oid: zeros(4),
  float4: zeros(4),
  float8: zeros(8),
  // numeric_send: no digits, weight 0, sign plus, scale 0.
  numeric: zeros(8),
  money: zeros(8),
  date: () => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(-10_957);
    return bytes;
  },
  timestamp: epoch,
  timestamptz: epoch,
  time: zeros(8),
  timetz: zeros(12),
  interval: zeros(16),
  uuid: zeros(16),
  json: asIs,
  jsonb,
  xml: asIs,
  bytea: (text) => Buffer.from(text.slice(2), 'hex'),
  // inet_send: family (2: PGSQL_AF_INET), bits, is_cidr, bytes of the address.
  inet: () => Buffer.of(2, 32, 0, 4, 0, 0, 0, 0),
  cidr: () => Buffer.of(2, 32, 1, 4, 0, 0, 0, 0),
  macaddr: zeros(6),
};
